// SPDX-License-Identifier: GPL-2.0-or-later
// What hmemdump says: progress, the result as a line or as JSON, findings.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "dumptools/capture/pipeline/memory_budget.h"
#include "dumptools/capture/pipeline/pipeline.h"
#include "dumptools/tools/hmemdump/options.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"

namespace hmem::dump {

class ProgressPrinter {
 public:
  // kAuto: plain when stderr is a terminal.
  explicit ProgressPrinter(Progress kind);
  void Show(const capture::PageCounts& counts, uint64_t ram_pages, uint64_t stream_bytes);
  // Ends the line that was drawn on a terminal.
  void Finish();

 private:
  Progress kind_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_{};
};

struct DumpResult {
  std::string path;         // where the dump is; empty: none was made
  std::string record_path;  // empty: no record file of its own
  std::string dump_id;
  std::string crash_id;
  std::string source_path;
  std::string source_format;
  std::string source_access;     // MemorySource::AccessText()
  capture::MemoryBudget memory;  // of the dump
  capture::CaptureOutcome outcome;
  uint32_t page_bytes = 0;
  double seconds = 0;
  bool dump_made = false;
  int exit_code = 0;
};

// Fails when JSON was asked for and cannot be written.
Status PrintResult(const Options& options, const DumpResult& result, const Findings& findings);
// One line a finding of severity loss or worse, and of what was given up for want of memory.
void PrintFindings(const Findings& findings);

}  // namespace hmem::dump
