// SPDX-License-Identifier: GPL-2.0-or-later
// CPUs at the moment of the crash: which there were, who panicked, what each was running.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dumptools/unwind/unwinder.h"
#include "dumptools/walk/kernel.h"
#include "dumptools/walk/tasks.h"
#include "hmem/space/cpu_notes.h"

namespace hmem::walk {

struct Cpu {
  uint32_t number = 0;
  bool online = false;
  bool crashed = false;  // this CPU ran panic()
  // From the per-CPU crash_notes; absent when the CPU never answered the stop NMI.
  std::optional<space::RegisterSet> registers;
  std::optional<Task> current;  // rq->curr
  unwind::Stack stack;          // empty frames with a reason when there are no registers
};

// In CPU order, possible CPUs that were online plus any with notes. At most 8192.
Result<std::vector<Cpu>> ReadCpus(const Kernel& kernel, Findings& findings);
// panic_cpu (4.5+), else x86's crashing_cpu. kNotFound: no CPU panicked (a live snapshot).
Result<uint32_t> CrashedCpu(const Kernel& kernel);

}  // namespace hmem::walk
