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

// Where a CPU's registers are from.
enum class RegistersOrigin {
  kNone,
  kCrashNotes,   // the kernel's per-CPU crash_notes
  kSnapshot,     // a note of a hypervisor's dump, which numbers them
  kFileByPid,    // a note of the file that names the pid of rq->curr
  kFileInOrder,  // a note of the file by its place, which need not be the CPU's number
};

struct Cpu {
  uint32_t number = 0;
  bool online = false;
  bool crashed = false;  // this CPU ran panic()
  // Absent when the CPU never answered the stop NMI, or its note cannot be read; stack.end_reason
  // says which.
  std::optional<space::RegisterSet> registers;
  RegistersOrigin registers_origin = RegistersOrigin::kNone;
  std::optional<Task> current;  // rq->curr
  unwind::Stack stack;          // empty frames with a reason when there are no registers
};

// In CPU order, possible CPUs that were online plus any with notes. At most 8192. Where no CPU has
// registers in crash_notes, the notes of the file are taken, and a finding says so; CPUs that are
// known from such a note alone come last.
std::vector<Cpu> ReadCpus(const Kernel& kernel, Findings& findings);
// panic_cpu (4.5+), else x86's crashing_cpu. kNotFound: no CPU panicked (a live snapshot). Any
// other code: it is not known whether one did. kCorrupt: no CPU has that number.
Result<uint32_t> CrashedCpu(const Kernel& kernel);

}  // namespace hmem::walk
