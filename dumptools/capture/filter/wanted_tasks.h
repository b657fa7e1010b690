// SPDX-License-Identifier: GPL-2.0-or-later
// --keep: memory that is kept whatever its class.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dumptools/capture/filter/pfn_runs.h"
#include "dumptools/walk/kernel.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"

namespace hmem::capture {

// One thing to keep.
struct Wanted {
  enum class Kind {
    kCrashing,  // the process that was running on the CPU that panicked
    kPid,       // a process, by the id of any of its threads
    kComm,      // every process with a thread of that name
    kRange,     // physical addresses
  };
  Kind kind = Kind::kCrashing;
  int32_t pid = 0;
  std::string comm;
  PhysRange range{};

  // "task:crashing", "task:PID", "task:COMM", "range:START-END" (physical, hexadecimal with 0x).
  // kInvalidArgument says what is wrong.
  static Result<Wanted> Parse(std::string_view text);
  bool needs_kernel() const { return kind != Kind::kRange; }
};

// Adds every user page that the page tables of the processes map. Not found, or no room for more: a
// finding.
void CollectTask(const walk::Kernel& kernel, const Wanted& wanted, PfnRuns& pages,
                 Findings& findings);

}  // namespace hmem::capture
