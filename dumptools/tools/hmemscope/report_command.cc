// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <optional>
#include <string>

#include "dumptools/analyse/verdict.h"
#include "dumptools/firstfailure/encode.h"
#include "dumptools/firstfailure/identity.h"
#include "dumptools/firstfailure/record_builder.h"
#include "dumptools/firstfailure/record_store.h"
#include "dumptools/report/text/failure_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"

namespace hmem::hmemscope {
namespace {

constexpr std::string_view kDumpFileName = "dump.hmem";
constexpr std::string_view kUnfinishedDumpFileName = "dump.hmem.incomplete";

Result<v1::FirstFailure> Build(OpenedDump& dump) {
  firstfailure::RecordOptions options;
  options.tool = "hmemscope " HMEM_VERSION;
  options.dump_id = dump.origin().dump_id();
  Findings findings;
  auto kernel = dump.kernel();
  if (kernel) return firstfailure::BuildRecord(**kernel, options, findings);
  HMEM_ASSIGN(const source::MemorySource* source, dump.source());
  return firstfailure::BuildRecordFromNotes(*source, kernel.error(), options, findings);
}

// What opening the dump met, but for what its record says already: both are told what the source of
// the dump had to say.
void AddNews(const OpenedDump& dump, v1::FirstFailure& failure) {
  google::protobuf::RepeatedPtrField<v1::Finding> met;
  dump.EncodeFindings({}, "report", &met);
  for (v1::Finding& finding : met) {
    const std::string bytes = finding.SerializeAsString();
    bool told = std::ranges::any_of(failure.findings(), [&](const v1::Finding& other) {
      return other.SerializeAsString() == bytes;
    });
    if (!told) *failure.add_findings() = std::move(finding);
  }
}

// The identity that only the capture kernel knew, for a record made anew.
void KeepIdentity(const v1::FirstFailure& recorded, v1::FirstFailure& rebuilt) {
  const std::string dump_id = rebuilt.identity().dump_id();
  *rebuilt.mutable_identity() = recorded.identity();
  if (!dump_id.empty()) rebuilt.mutable_identity()->set_dump_id(dump_id);
  *rebuilt.mutable_timeline() = recorded.timeline();
  *rebuilt.mutable_dump() = recorded.dump();
  rebuilt.mutable_clock()->set_record_time_s(recorded.clock().record_time_s());
}

// The record file beside the dump, when it is of this crash.
std::optional<v1::FirstFailure> RecordBeside(const OpenedDump& dump,
                                             const v1::FirstFailure& failure) {
  const std::string path = dump.Beside(firstfailure::kRecordFileName);
  if (path.empty()) return std::nullopt;
  auto record = firstfailure::ReadRecord(path);
  if (!record || !firstfailure::SameCrash(*record, failure)) return std::nullopt;
  return *std::move(record);
}

void SetDump(const std::string& path, bool complete, v1::FailureReport& report) {
  report.set_dump_path(firstfailure::SafeText(path));
  report.mutable_dump()->set_path(report.dump_path());
  report.mutable_dump()->set_state(complete ? v1::DumpState::STATE_COMPLETE
                                            : v1::DumpState::STATE_INCOMPLETE);
}

// The dump beside a bare record, when it is the one that the record names.
void FindDumpBeside(const OpenedDump& record, v1::FailureReport& report) {
  for (std::string_view name : {kDumpFileName, kUnfinishedDumpFileName}) {
    const std::string path = record.Beside(name);
    if (path.empty()) continue;
    auto dump = source::Open(path);
    if (!dump || (*dump)->identity().dump_id.empty() ||
        (*dump)->identity().dump_id != record.bare_record()->identity().dump_id()) {
      continue;
    }
    return SetDump(path, (*dump)->complete(), report);
  }
}

Status FromDump(OpenedDump& dump, bool rebuild, v1::FailureReport& report) {
  v1::FirstFailure& failure = *report.mutable_failure();
  auto embedded = dump.embedded_record();
  const bool has_own = embedded && *embedded;
  if (has_own && !rebuild) {
    failure = **embedded;
    AddNews(dump, failure);
  } else {
    HMEM_ASSIGN(failure, Build(dump));
    report.set_rebuilt(true);
  }
  const std::optional<v1::FirstFailure> beside = RecordBeside(dump, failure);
  if (beside) {
    report.set_record_path(firstfailure::SafeText(dump.Beside(firstfailure::kRecordFileName)));
  }
  if (report.rebuilt()) {
    if (has_own) {
      KeepIdentity(**embedded, failure);
    } else if (beside) {
      KeepIdentity(*beside, failure);
    } else {
      // Made without host and arming it would be another id than the capture's for the same crash.
      failure.mutable_identity()->clear_crash_id();
    }
    report.mutable_origin()->set_crash_id(failure.identity().crash_id());
  }
  if (!embedded) {
    Findings damaged;
    damaged.Add(Severity::kLoss, "report.embedded-record.bad", "", embedded.error().ToString());
    firstfailure::EncodeFindings(damaged, failure.mutable_findings());
  }
  SetDump(dump.path(), report.origin().complete(), report);
  return {};
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  v1::FailureReport report;
  *report.mutable_origin() = dump.origin();
  const bool rebuild = invocation.Has("--rebuild");
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    if (rebuild) HMEM_TRY(dump.source());
    *report.mutable_failure() = *bare;
    report.set_record_path(report.origin().path());
    FindDumpBeside(dump, report);
  } else {
    HMEM_TRY(FromDump(dump, rebuild, report));
  }
  report.set_verdict(analyse::Verdict(report.failure()));
  for (std::string& sentence : analyse::WhereToLook(report.failure()))
    report.add_where_to_look(std::move(sentence));
  return MakeAnswer(report, report::Text(report), report.failure().findings(), FindingsIn::kText);
}

}  // namespace

const Command& ReportCommand() {
  static constexpr Flag kFlags[] = {
      {"--rebuild", "", "", "make the record anew from the dump, even if one travels with it"}};
  static constexpr Command kCommand = {
      "report", "what happened, where, who, and what every CPU did", kFlags, {}, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
