// SPDX-License-Identifier: GPL-2.0-or-later
// Tasks: every thread of every process, and the idle tasks (include/linux/sched.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dumptools/unwind/unwinder.h"
#include "dumptools/walk/kernel.h"

namespace hmem::walk {

struct Task {
  VirtAddr address;         // struct task_struct
  int32_t pid = 0;          // thread id
  int32_t tgid = 0;         // process id
  int32_t parent_tgid = 0;  // real_parent's tgid
  std::string comm;
  uint64_t state = 0;          // __state (5.14+) or state
  char state_letter = '?';     // R S D T t X Z P I, as /proc/PID/stat shows it (fs/proc/array.c)
  bool kernel_thread = false;  // PF_KTHREAD
  uint32_t cpu = 0;
  bool on_cpu = false;         // was running when the machine stopped
  uint64_t start_time_ns = 0;  // since boot
  VirtAddr stack;              // lowest address of the kernel stack
  VirtAddr mm;
  uint64_t rss_pages = 0;  // 0 for kernel threads
};

// Each thread by thread-group walk from init_task, in the kernel's order; then the idle tasks (pid
// 0), by CPU, when asked for. Keeps none of them. `visit` returns false when it has seen enough. A
// damaged list yields what can be read, perhaps one task twice, and findings. At most 4 Mi tasks.
// Fails when there is no way to any of them.
Status ForEachTask(const Kernel& kernel, bool with_idle, Findings& findings,
                   const std::function<bool(const Task&)>& visit);
// All of them at once, each once; sorted by tgid, then pid, idle tasks first.
Result<std::vector<Task>> ReadTasks(const Kernel& kernel, bool with_idle, Findings& findings);
Result<Task> ReadTask(const Kernel& kernel, VirtAddr task_struct);

// The letter of /proc/PID/stat for task_struct's state and exit_state: task_state_array and
// __task_state_index in fs/proc/array.c and include/linux/sched.h (4.14+).
char StateLetter(uint64_t state, uint64_t exit_state);

// Stack of a task that is not running, from its saved switch frame. kInvalidArgument: it was
// running, its registers are the CPU's (cpus.h). kNotFound: a dead task whose stack was given back.
Result<unwind::Stack> UnwindBlockedTask(const Kernel& kernel, const Task& task);

}  // namespace hmem::walk
