// SPDX-License-Identifier: GPL-2.0-or-later
// hmemdump: the first-failure record and the memory of a crashed kernel, saved. See hmemdump(8).
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "dumptools/tools/hmemdump/dump_stage.h"
#include "dumptools/tools/hmemdump/exit_code.h"
#include "dumptools/tools/hmemdump/explain_stage.h"
#include "dumptools/tools/hmemdump/fault.h"
#include "dumptools/tools/hmemdump/log_stage.h"
#include "dumptools/tools/hmemdump/options.h"
#include "dumptools/tools/hmemdump/record_stage.h"
#include "dumptools/tools/hmemdump/report.h"
#include "dumptools/tools/hmemdump/report_file.h"
#include "dumptools/tools/hmemdump/result_json.h"
#include "dumptools/tools/hmemdump/source_choice.h"
#include "dumptools/tools/hmemdump/talk.h"
#include "dumptools/tools/hmemdump/target.h"
#include "hmem/base/fd.h"
#include "hmem/source/memory_source.h"

namespace hmem::dump {
namespace {

std::atomic<bool> stop_requested{false};

void RequestStop(int) { stop_requested = true; }

int Complain(const Error& error) {
  Say("{}", error.ToString());
  return kExitFailed;
}

// A descriptor that is missing would be given to the next file that is opened, and what is said
// would go into the dump. Writes to these fail.
void HoldStandardDescriptors() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDONLY);
  }
}

int PrintLog(const source::MemorySource& source, const Options& options) {
  Findings findings;
  auto log = ReadKernelLog(source, findings);
  if (!log) return Complain(log.error());
  ObeyFault();
  std::string text = LogText(*log, options.max_bytes);
  auto written = WriteAll(STDOUT_FILENO, std::as_bytes(std::span(text)), "standard output");
  if (!written) return Complain(written.error());
  PrintFindings(findings);
  return findings.HasLosses() ? kExitLosses : kExitComplete;
}

int Explain(const source::MemorySource& source, const Options& options) {
  Findings findings;
  auto page = ExplainPage(source, options, findings);
  if (!page) return Complain(page.error());
  if (auto printed = PrintExplanation(*page, options); !printed) return Complain(printed.error());
  PrintFindings(findings);
  return findings.HasLosses() ? kExitLosses : kExitComplete;
}

int ExitCodeOf(const DumpResult& result, const Findings& findings) {
  if (result.dump_made) {
    if (result.outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) return kExitFailed;
    if (result.outcome.reason != v1::DumpEnd::REASON_COMPLETE) return kExitLosses;
  }
  return findings.HasLosses() ? kExitLosses : kExitComplete;
}

Result<std::unique_ptr<source::MemorySource>> OpenSource(const Options& options) {
  if (!options.source.empty()) return source::Open(options.source);
  return OpenFirst(SourcePlaces(), [](std::string_view text) { Say("{}", text); });
}

int Run(Options options) {
  auto start = std::chrono::steady_clock::now();
  std::optional<ReportFile> report;
  if (!options.report_path.empty()) {
    auto begun = ReportFile::Begin(options.report_path);
    if (!begun) {
      Say("--report: {}", begun.error().ToString());
      return kExitUsage;
    }
    report.emplace(*std::move(begun));
  }
  Target target;
  if (options.dry_run && options.source.empty() && IsSource(options.destination)) {
    options.source = std::exchange(options.destination, {});
    target.kind = TargetKind::kNowhere;
  } else if (!options.log_only && !options.explain) {
    auto resolved = ResolveTarget(options.destination, capture::UsualFileName(options.format),
                                  options.first_failure_only);
    if (!resolved) return Complain(resolved.error());
    target = *std::move(resolved);
  }
  auto source = OpenSource(options);
  if (!source) return Complain(source.error());
  ObeyFaultOfSource((*source)->format());
  if (options.log_only) return PrintLog(**source, options);
  if (options.explain) return Explain(**source, options);
  Findings findings;
  auto result = options.first_failure_only
                    ? RunRecordStage(**source, options, target, findings)
                    : RunDumpStage(**source, options, target, start, stop_requested, findings);
  // Nothing was made, so what it would have lacked is nobody's concern.
  if (!result) return Complain(result.error());
  result->source_path = (*source)->path();
  result->source_format = (*source)->format();
  result->source_access = (*source)->AccessText();
  result->exit_code = ExitCodeOf(*result, findings);
  result->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  PrintFindings(findings);
  if (report) {
    if (auto written = report->Finish(ResultJson(options, *result, findings)); !written)
      result->exit_code = Complain(written.error());
  }
  auto printed = PrintResult(options, *result, findings);
  return printed ? result->exit_code : Complain(printed.error());
}

}  // namespace
}  // namespace hmem::dump

int main(int argc, char** argv) {
  hmem::dump::HoldStandardDescriptors();
  // A closed pipe and a limit on the size of files are write errors like others.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  auto parsed = hmem::dump::ParseOptions(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  if (::sodium_init() < 0) {
    hmem::dump::Say("no random numbers to be had for a dump id");
    return hmem::dump::kExitFailed;
  }
  std::signal(SIGTERM, hmem::dump::RequestStop);
  std::signal(SIGINT, hmem::dump::RequestStop);
  return hmem::dump::Run(std::get<hmem::dump::Options>(std::move(parsed)));
}
