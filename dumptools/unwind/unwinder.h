// SPDX-License-Identifier: GPL-2.0-or-later
// From registers to frames. One interface; ORC is the first way (frame pointer and CFI are siblings
// to come).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "hmem/base/address.h"
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
  // False: guessed (frame pointer of unknown code, stack scan), shown with '?'.
  bool reliable = true;
};

struct Stack {
  std::vector<Frame> frames;  // innermost first
  // Why it ended: empty when at the outermost frame, else one sentence ("no ORC entry for
  // 0xffffffffc0a01234").
  std::string end_reason;
  // The stack ends in a system call or an exception out of user mode.
  bool ends_in_user = false;
  // The registers at that entry.
  std::optional<space::RegisterSet> user_registers;
};

struct Limits {
  size_t max_frames = 256;
};

// Where to begin.
struct Start {
  space::RegisterSet registers;
  // False when the pc is a return address, as in a task that gave up its CPU in a call to the
  // switch code.
  bool exact = true;
};

class Unwinder {
 public:
  virtual ~Unwinder() = default;
  // Never fails as a whole: what could be unwound is returned with the reason it stopped.
  virtual Stack Unwind(const Start& start, const Limits& limits) const = 0;
};

}  // namespace hmem::unwind
