// SPDX-License-Identifier: GPL-2.0-or-later
// From registers to frames. One interface; ORC is the first way (frame pointer and CFI are siblings
// to come).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/space/cpu_notes.h"

namespace hmem::unwind {

struct Frame {
  VirtAddr pc;
  VirtAddr sp;
  // True: pc is where execution was (first frame, interrupted frame). False: a return address, look
  // up pc - 1.
  bool exact = false;
  // True when this frame's registers came from a struct pt_regs that an exception or interrupt
  // saved.
  bool interrupted = false;
  // False: guessed (stack scan), shown with '?'.
  bool reliable = true;
};

struct Stack {
  std::vector<Frame> frames;  // innermost first
  // Why it ended: empty when at the outermost frame, else one sentence ("no ORC entry for
  // 0xffffffffc0a01234").
  std::string end_reason;
  // The registers at user entry, if the stack ends in a system call or user-mode exception.
  bool ends_in_user = false;
};

struct Limits {
  size_t max_frames = 256;
};

class Unwinder {
 public:
  virtual ~Unwinder() = default;
  // Never fails as a whole: what could be unwound is returned with the reason it stopped.
  virtual Stack Unwind(const space::RegisterSet& start, const Limits& limits) const = 0;
};

}  // namespace hmem::unwind
