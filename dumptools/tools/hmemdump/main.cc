// SPDX-License-Identifier: GPL-2.0-or-later
// hmemdump: the first-failure record and the memory of a crashed kernel, saved. See hmemdump(8).
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "dumptools/tools/hmemdump/dump_stage.h"
#include "dumptools/tools/hmemdump/exit_code.h"
#include "dumptools/tools/hmemdump/options.h"
#include "dumptools/tools/hmemdump/record_stage.h"
#include "dumptools/tools/hmemdump/report.h"
#include "dumptools/tools/hmemdump/target.h"
#include "hmem/source/memory_source.h"

namespace hmem::dump {
namespace {

std::atomic<bool> stop_requested{false};

void RequestStop(int) { stop_requested = true; }

int Complain(const Error& error) {
  fmt::print(stderr, "hmemdump: {}\n", error.ToString());
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
  Findings findings;
  if (options.log_only) {
    auto printed = PrintLog(**source, findings);
    return printed ? kExitComplete : Complain(printed.error());
  }
  auto result = options.first_failure_only
                    ? RunRecordStage(**source, options, target, findings)
                    : RunDumpStage(**source, options, target, start, stop_requested, findings);
  // Nothing was made, so what it would have lacked is nobody's concern.
  if (!result) return Complain(result.error());
  bool whole = !result->dump_made || result->outcome.reason == v1::DumpEnd::REASON_COMPLETE;
  result->exit_code = whole && !findings.HasLosses() ? kExitComplete : kExitLosses;
  result->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  PrintFindings(findings);
  PrintResult(options, *result, findings);
  return result->exit_code;
}

}  // namespace
}  // namespace hmem::dump

int main(int argc, char** argv) {
  auto parsed = hmem::dump::ParseOptions(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  if (::sodium_init() < 0) {
    fmt::print(stderr, "hmemdump: no random numbers to be had for a dump id\n");
    return hmem::dump::kExitFailed;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a write error like others
  std::signal(SIGTERM, hmem::dump::RequestStop);
  std::signal(SIGINT, hmem::dump::RequestStop);
  return hmem::dump::Run(std::get<hmem::dump::Options>(std::move(parsed)));
}
