// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/first_block.h"

#include <algorithm>

#include "dumptools/firstfailure/failure_line.h"

namespace hmem::firstfailure {
namespace {

constexpr size_t kMaxRecords = 256;
// The lines between the opening one and what the kernel says next about the same failure.
constexpr size_t kLookAhead = 2;

bool IsOomReport(std::string_view line) {
  static constexpr std::string_view kStarts[] = {
      "Mem-Info:",  "active_anon:", "Node ",       "lowmem_reserve", "Free swap",
      "Total swap", "Swap cache",   "Tasks state", "[  pid  ]",      "oom-kill:",
      "[",          "DMA",          "HighMem",     "Normal",         "Movable"};
  if (!line.empty() && line.front() >= '0' && line.front() <= '9') return true;
  return std::ranges::any_of(kStarts,
                             [&](std::string_view start) { return line.starts_with(start); });
}

bool EndsOomReport(std::string_view line) {
  return line.starts_with("Out of memory: Killed process") ||
         line.starts_with("Memory cgroup out of memory");
}

// Whether a panic may be the end of a report of `kind`: not one that names a reason of its own.
bool Follows(std::string_view panic_text, v1::Cause::Kind kind) {
  v1::Cause::Kind own = KindOfPanicText(panic_text);
  return own == v1::Cause::KIND_UNSPECIFIED || own == v1::Cause::KIND_PANIC || own == kind;
}

}  // namespace

std::optional<LogBlock> FindFirstBlock(std::span<const walk::LogRecord> log) {
  size_t begin = 0;
  std::optional<FailureLine> opening;
  bool marked = false;
  for (; begin < log.size(); ++begin) {
    marked = IsCutHere(KernelText(log[begin]));
    opening = ClassifyLine(KernelText(log[begin]));
    if (marked || opening) break;
  }
  if (begin == log.size()) return std::nullopt;

  LogBlock block{
      .begin = begin, .end = begin + 1, .kind = opening ? std::string(opening->name) : "warning"};
  v1::Cause::Kind kind = opening ? opening->kind : v1::Cause::KIND_UNSPECIFIED;
  const bool oom = kind == v1::Cause::KIND_OUT_OF_MEMORY;
  size_t strange = 0;  // lines in a row that do not look like the report
  for (size_t i = begin + 1; i < log.size() && i - begin < kMaxRecords; ++i) {
    const std::string_view line = KernelText(log[i]);
    if (IsEndTrace(line)) {
      block.end = i + 1;
      // panic_on_oops says so behind the trace's end.
      for (size_t k = i + 1; k < log.size() && k <= i + kLookAhead; ++k) {
        if (auto panic = PanicText(KernelText(log[k])); panic && Follows(*panic, kind))
          block.end = k + 1;
      }
      break;
    }
    if (IsCutHere(line)) break;
    if (auto panic = PanicText(line)) {
      if (!Follows(*panic, kind)) break;
    } else if (auto said = ClassifyLine(line)) {
      if (kind == v1::Cause::KIND_UNSPECIFIED) {
        kind = said->kind;
        block.kind = said->name;
      } else if (!said->oops && !marked && said->kind != kind) {
        break;  // a failure of another kind: a report of its own
      }
    } else if (!marked && !IsTraceLine(line) && !(oom && IsOomReport(line))) {
      if (++strange > kLookAhead) break;
      continue;
    }
    strange = 0;
    block.end = i + 1;
    if (oom && EndsOomReport(line)) break;
  }
  return block;
}

}  // namespace hmem::firstfailure
