// SPDX-License-Identifier: GPL-2.0-or-later
// --keep: what is to be kept whatever its class.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hmem/base/address.h"
#include "hmem/base/result.h"

namespace hmem::capture {

// A physical address or a page number: decimal, or hexadecimal with 0x. kInvalidArgument.
Result<uint64_t> ParseAddress(std::string_view text);

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

}  // namespace hmem::capture
