// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/analyse/verdict.h"
#include "dumptools/firstfailure/encode.h"
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

// The identity that only the capture kernel knew, for a record made anew.
void KeepIdentity(const v1::FirstFailure& recorded, v1::FirstFailure& rebuilt) {
  *rebuilt.mutable_identity() = recorded.identity();
  *rebuilt.mutable_timeline() = recorded.timeline();
  *rebuilt.mutable_dump() = recorded.dump();
  rebuilt.mutable_clock()->set_record_time_s(recorded.clock().record_time_s());
}

void AddPlaces(const OpenedDump& dump, v1::FailureReport& report) {
  if (dump.bare_record() != nullptr) {
    report.set_record_path(report.origin().path());
    std::string beside = dump.Beside(kDumpFileName);
    if (beside.empty()) beside = dump.Beside(kUnfinishedDumpFileName);
    report.set_dump_path(firstfailure::SafeText(beside));
    return;
  }
  report.set_dump_path(report.origin().path());
  std::string beside = dump.Beside(firstfailure::kRecordFileName);
  if (beside.empty()) return;
  // One of another crash is not this dump's.
  auto record = firstfailure::ReadRecord(beside);
  if (record && record->identity().crash_id() == report.failure().identity().crash_id()) {
    report.set_record_path(firstfailure::SafeText(beside));
  }
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  v1::FailureReport report;
  *report.mutable_origin() = dump.origin();
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    if (invocation.Has("--rebuild")) HMEM_TRY(dump.source());
    *report.mutable_failure() = *bare;
  } else {
    auto embedded = dump.embedded_record();
    if (embedded && *embedded && !invocation.Has("--rebuild")) {
      *report.mutable_failure() = **std::move(embedded);
      // The record's findings are its own; what opening the dump met is news.
      dump.EncodeFindings({}, report.mutable_failure()->mutable_findings());
    } else {
      HMEM_ASSIGN(*report.mutable_failure(), Build(dump));
      report.set_rebuilt(true);
      if (embedded && *embedded) KeepIdentity(**embedded, *report.mutable_failure());
      if (!embedded) {
        Findings damaged;
        damaged.Add(Severity::kLoss, "report.embedded-record.bad", "", embedded.error().ToString());
        firstfailure::EncodeFindings(damaged, report.mutable_failure()->mutable_findings());
      }
    }
  }
  report.set_verdict(analyse::Verdict(report.failure()));
  for (std::string& sentence : analyse::WhereToLook(report.failure()))
    report.add_where_to_look(std::move(sentence));
  AddPlaces(dump, report);
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
