// SPDX-License-Identifier: GPL-2.0-or-later
// One child at a time, under a deadline and a memory limit. What it does cannot take PID 1 with it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::init {

struct ChildCommand {
  std::vector<std::string> argv;         // argv[0] is the path
  std::vector<std::string> environment;  // "KEY=VALUE", all of it
};

struct ChildLimits {
  uint64_t deadline_ms = 0;
  uint64_t data_bytes = 0;  // RLIMIT_DATA; 0: none
};

struct ChildResult {
  enum class End {
    kExited,      // `code` is the exit status
    kSignalled,   // `code` is the signal
    kDeadline,    // killed by us
    kStuck,       // killed by us, and still there: it sleeps in the kernel
    kNotStarted,  // `code` is an errno
  };
  End end = End::kNotStarted;
  int code = 0;
  uint64_t deadline_ms = 0;
  uint64_t took_ms = 0;
  uint64_t peak_kib = 0;  // resident at most; 0: not known

  bool exited_with(int status) const { return end == End::kExited && code == status; }
  // "killed by signal 6 (Aborted)", "killed after its deadline of 60 s", "exit status 1"
  std::string Describe() const;
};

// Runs it in a process group of its own, first in line for the out-of-memory killer, without core
// dumps. `tick` is called a few times a second while it runs. At the deadline the whole group gets
// SIGKILL. Other children of this process that ended are reaped when it returns.
ChildResult RunChild(const ChildCommand& command, const ChildLimits& limits,
                     const std::function<void()>& tick);

// Calls a function in a child, because what it does may block in the kernel for ever (mount, sync,
// a read from a dying disk). Its answer comes back, cut after 4000 bytes. kIo: the function's own
// error as text, or how the child ended.
Result<std::string> AskChild(const std::function<Result<std::string>()>& function,
                             uint64_t deadline_ms, const std::function<void()>& tick);

}  // namespace hmem::init
