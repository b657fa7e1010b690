// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <charconv>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/log_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/walk/printk.h"

namespace hmem::hmemscope {
namespace {

constexpr uint32_t kDebugLevel = 7;

Result<size_t> Number(const Invocation& invocation, std::string_view flag, size_t unset) {
  std::string text = invocation.Value(flag);
  if (text.empty()) return unset;
  size_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: \"{}\" is no number", flag, text));
  }
  return value;
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  HMEM_ASSIGN(size_t tail, Number(invocation, "--tail", SIZE_MAX));
  HMEM_ASSIGN(size_t level, Number(invocation, "--level", kDebugLevel));
  v1::LogReport report;
  *report.mutable_origin() = dump.origin();
  Findings findings;
  auto add = [&](v1::LogRecord record) {
    if (record.level() <= level) *report.add_records() = std::move(record);
  };
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    for (const v1::LogRecord& record : bare->log_tail()) add(record);
    if (bare->log_records_omitted() > 0 && static_cast<size_t>(bare->log_tail_size()) < tail) {
      findings.Add(
          Severity::kLoss, "log.record-has-tail-only", "",
          fmt::format(
              "the record holds the end of the log; {} earlier records are in the dump only",
              bare->log_records_omitted()));
    }
  } else {
    HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
    HMEM_ASSIGN(auto log, walk::ReadLog(kernel->memory(), kernel->vmcoreinfo(), findings));
    for (const walk::LogRecord& record : log) add(firstfailure::EncodeLogRecord(record));
  }
  if (auto* records = report.mutable_records(); static_cast<size_t>(records->size()) > tail) {
    records->DeleteSubrange(0, records->size() - static_cast<int>(tail));
  }
  dump.EncodeFindings(findings, "log", report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kNotes);
}

}  // namespace

const Command& LogCommand() {
  static constexpr Flag kFlags[] = {
      {"--tail", "-n", "N", "only the last N records"},
      {"--level", "-l", "N", "only records of level N (0 emergency to 7 debug) and graver"}};
  static constexpr Command kCommand = {"log", "the kernel log", kFlags, {}, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
