// SPDX-License-Identifier: GPL-2.0-or-later
// hmemdump: the first-failure record and the memory of a crashed kernel, saved. See hmemdump(8).
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <span>
#include <string>

#include "dumptools/tools/hmemdump/dump_stage.h"
#include "dumptools/tools/hmemdump/exit_code.h"
#include "dumptools/tools/hmemdump/fault.h"
#include "dumptools/tools/hmemdump/log_stage.h"
#include "dumptools/tools/hmemdump/options.h"
#include "dumptools/tools/hmemdump/record_stage.h"
#include "dumptools/tools/hmemdump/report.h"
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

Result<std::string> FindSource() {
  static constexpr std::array<const char*, 2> kPlaces = {"/dev/hmem", "/proc/vmcore"};
  for (const char* place : kPlaces) {
    if (::access(place, F_OK) == 0) return std::string(place);
  }
  return Fail(
      ErrorCode::kNotFound,
      "no SOURCE given, and neither /dev/hmem nor /proc/vmcore is here: not a capture kernel?");
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

int ExitCodeOf(const DumpResult& result, const Findings& findings) {
  if (result.dump_made) {
    if (result.outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) return kExitFailed;
    if (result.outcome.reason != v1::DumpEnd::REASON_COMPLETE) return kExitLosses;
  }
  return findings.HasLosses() ? kExitLosses : kExitComplete;
}

int Run(Options options) {
  auto start = std::chrono::steady_clock::now();
  if (options.source.empty()) {
    auto found = FindSource();
    if (!found) return Complain(found.error());
    options.source = *std::move(found);
  }
  Target target;
  if (!options.log_only) {
    auto resolved = ResolveTarget(options.destination, options.format == Format::kElf,
                                  options.first_failure_only);
    if (!resolved) return Complain(resolved.error());
    target = *std::move(resolved);
  }
  auto source = source::Open(options.source);
  if (!source) return Complain(source.error());
  if (options.log_only) return PrintLog(**source, options);
  Findings findings;
  auto result = options.first_failure_only
                    ? RunRecordStage(**source, options, target, findings)
                    : RunDumpStage(**source, options, target, start, stop_requested, findings);
  // Nothing was made, so what it would have lacked is nobody's concern.
  if (!result) return Complain(result.error());
  result->exit_code = ExitCodeOf(*result, findings);
  result->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  PrintFindings(findings);
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
