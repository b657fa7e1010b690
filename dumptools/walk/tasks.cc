// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string_view>

#include "dumptools/walk/cpu_masks.h"
#include "dumptools/walk/list.h"

namespace hmem::walk {
namespace {

constexpr size_t kMaxTasks = 4 << 20;
// Entries in a row that are not of a list's kind: it leads into another list, which may be long.
constexpr size_t kMaxStrangers = 64;
constexpr uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD
constexpr uint64_t kMaxStackFactor = 4;         // KASAN and debug kernels have larger stacks

// A task whose pieces cannot all be read keeps those that can.
template <typename T>
void Take(const Result<uint64_t>& value, T& to) {
  if (value) to = static_cast<T>(*value);
}

// Resident pages: struct mm_rss_stat until 6.1, then one percpu_counter each, whose common part is
// what /proc shows too.
Result<uint64_t> ResidentPages(const Kernel& kernel, VirtAddr mm) {
  HMEM_ASSIGN(const types::TypeDb* types, kernel.types());
  bool per_cpu = kernel.HasMember("mm_struct", "rss_stat[0].count");
  HMEM_ASSIGN(VirtAddr counters,
              kernel.MemberAddress(mm, "mm_struct", per_cpu ? "rss_stat" : "rss_stat.count"));
  uint64_t step = static_cast<uint64_t>(kernel.arch().word_bytes);
  uint64_t offset = 0, bytes = step;
  if (per_cpu) {
    HMEM_ASSIGN(step, kernel.SizeOf("percpu_counter"));
    HMEM_ASSIGN(types::Field count, types->Member("percpu_counter", "count"));
    offset = count.offset_bytes;
    bytes = count.size_bytes;
  }
  uint64_t pages = 0;
  for (std::string_view kind : {"MM_FILEPAGES", "MM_ANONPAGES", "MM_SHMEMPAGES"}) {
    Result<int64_t> index = types->Enumerator(kind);
    if (!index || *index < 0) continue;
    HMEM_ASSIGN(
        uint64_t value,
        kernel.memory().Unsigned(counters + static_cast<uint64_t>(*index) * step + offset, bytes));
    bool negative = (value >> (bytes * 8 - 1)) != 0;
    if (!negative) pages += value;
  }
  return pages;
}

bool IsIdle(const Task& task) { return task.pid == 0; }

}  // namespace

char StateLetter(uint64_t state, uint64_t exit_state) {
  constexpr std::string_view kLetters = "RSDTtXZPI";
  constexpr uint64_t kReport = 0x7f;  // TASK_REPORT
  constexpr uint64_t kUninterruptible = 2, kIdle = 0x402;
  constexpr uint64_t kRtLockWait = 0x1000;  // 5.16+
  constexpr uint64_t kFrozen = 0x8000;      // 6.1+
  uint64_t shown = (state | exit_state) & kReport;
  if ((state & kIdle) == kIdle) shown = kReport + 1;
  if ((state & (kRtLockWait | kFrozen)) != 0) shown = kUninterruptible;
  return kLetters[static_cast<size_t>(std::bit_width(shown))];
}

Result<Task> ReadTask(const Kernel& kernel, VirtAddr task_struct) {
  constexpr std::string_view kType = "task_struct";
  Task task{.address = task_struct};
  auto member = [&](std::string_view path) { return kernel.Member(task_struct, kType, path); };
  HMEM_ASSIGN(uint64_t pid, member("pid"));
  HMEM_ASSIGN(uint64_t tgid, member("tgid"));
  task.pid = static_cast<int32_t>(pid);
  task.tgid = static_cast<int32_t>(tgid);
  HMEM_ASSIGN(task.comm, kernel.MemberText(task_struct, kType, "comm"));
  bool new_name = kernel.HasMember(kType, "__state");
  HMEM_ASSIGN(task.state, member(new_name ? "__state" : "state"));
  HMEM_ASSIGN(uint64_t exit_state, member("exit_state"));
  task.state_letter = StateLetter(task.state, exit_state);

  Result<uint64_t> flags = member("flags");
  task.kernel_thread = flags && (*flags & kKernelThread) != 0;
  Take(member(kernel.HasMember(kType, "thread_info.cpu") ? "thread_info.cpu" : "cpu"), task.cpu);
  Take(member("on_cpu"), task.on_cpu);
  Take(member(kernel.HasMember(kType, "start_boottime") ? "start_boottime" : "real_start_time"),
       task.start_time_ns);
  Take(member("stack"), task.stack.value);
  Take(member("mm"), task.mm.value);
  if (task.mm.value != 0) Take(ResidentPages(kernel, task.mm), task.rss_pages);
  Result<VirtAddr> parent = kernel.MemberPointer(task_struct, kType, "real_parent");
  if (parent && parent->value != 0) {
    Take(kernel.Member(*parent, kType, "tgid"), task.parent_tgid);
  }
  return task;
}

Result<std::vector<Task>> ReadTasks(const Kernel& kernel, bool with_idle, Findings& findings) {
  HMEM_ASSIGN(VirtAddr init_task, Within("tasks", kernel.SymbolAddress("init_task")));
  HMEM_ASSIGN(VirtAddr head,
              Within("tasks", kernel.MemberAddress(init_task, "task_struct", "tasks")));
  // Say at once what no task could be read without.
  for (std::string_view path : {"signal", "thread_node", "pid", "tgid", "comm", "exit_state"}) {
    HMEM_TRY(Within("tasks", kernel.MemberAddress(init_task, "task_struct", path)));
  }
  HMEM_TRY(Within("tasks", kernel.MemberAddress(init_task, "signal_struct", "thread_head")));

  std::vector<Task> tasks;
  auto bad = [&](VirtAddr address, const Error& error) {
    findings.Add(Severity::kLoss, "walk.tasks.bad",
                 fmt::format("task_struct at {:#x}: {}", address.value, error.ToString()),
                 "a task cannot be read and is missing");
  };
  auto add = [&](VirtAddr address) {
    Result<Task> task = ReadTask(kernel, address);
    if (task) {
      tasks.push_back(*std::move(task));
    } else {
      bad(address, task.error());
    }
  };
  // A member that is a process id; 0: it is none, or cannot be read.
  auto id = [&](VirtAddr task, std::string_view member) {
    const int64_t value =
        static_cast<int64_t>(kernel.Member(task, "task_struct", member).value_or(0));
    return value > 0 && value <= static_cast<int64_t>(kMaxTasks) ? value : 0;
  };
  // Whether an entry is worth reading when it is the last of so many strangers in a row.
  auto believed = [&](VirtAddr entry, size_t strangers) {
    if (strangers <= kMaxStrangers) return true;
    findings.Add(Severity::kLoss, "walk.tasks.astray", fmt::format("entry at {:#x}", entry.value),
                 "a list of tasks leads to what are none; they are not shown");
    return false;
  };
  auto add_threads = [&](VirtAddr leader, int64_t process) {
    Result<VirtAddr> signal = kernel.MemberPointer(leader, "task_struct", "signal");
    if (!signal) return bad(leader, signal.error());
    Result<VirtAddr> threads = kernel.MemberAddress(*signal, "signal_struct", "thread_head");
    bool leader_seen = false;
    size_t strangers = 0;
    if (threads && signal->value != 0) {
      ForEachListEntry(
          kernel.memory(), *threads, process != 0 ? kMaxTasks - tasks.size() : kMaxStrangers,
          fmt::format("threads of task {:#x}", leader.value), findings, [&](VirtAddr entry) {
            Result<VirtAddr> thread = kernel.Container(entry, "task_struct", "thread_node");
            if (!thread) return false;
            if (*thread == leader) leader_seen = true;
            strangers = id(*thread, "tgid") == process ? 0 : strangers + 1;
            if (believed(entry, strangers)) add(*thread);
            return tasks.size() < kMaxTasks;
          });
    }
    if (!leader_seen) add(leader);  // its thread list is damaged
  };
  size_t strangers = 0;
  ForEachListEntry(kernel.memory(), head, kMaxTasks, "tasks", findings, [&](VirtAddr entry) {
    Result<VirtAddr> leader = kernel.Container(entry, "task_struct", "tasks");
    if (!leader) return false;
    const int64_t pid = id(*leader, "pid");
    const bool is_leader = pid != 0 && pid == id(*leader, "tgid");
    strangers = is_leader ? 0 : strangers + 1;
    if (believed(entry, strangers)) add_threads(*leader, is_leader ? pid : 0);
    return tasks.size() < kMaxTasks;
  });

  // A damaged list may lead to one task twice.
  std::ranges::sort(tasks, {}, &Task::address);
  auto twice = std::ranges::unique(tasks, {}, &Task::address);
  tasks.erase(twice.begin(), twice.end());
  std::erase_if(tasks, IsIdle);
  std::ranges::stable_sort(tasks, [](const Task& a, const Task& b) {
    return a.tgid != b.tgid ? a.tgid < b.tgid : a.pid < b.pid;
  });
  if (!with_idle) return tasks;

  std::vector<Task> idle;
  for (uint32_t cpu : PossibleCpus(kernel, findings)) {
    auto read = [&]() -> Result<Task> {
      HMEM_ASSIGN(VirtAddr runqueue, kernel.PerCpu("runqueues", cpu));
      HMEM_ASSIGN(VirtAddr task, kernel.MemberPointer(runqueue, "rq", "idle"));
      return ReadTask(kernel, task);
    };
    Result<Task> task = read();
    if (task) {
      task->cpu = cpu;
      idle.push_back(*std::move(task));
    } else {
      findings.Add(Severity::kLoss, "walk.tasks.no-idle",
                   fmt::format("cpu {}: {}", cpu, task.error().ToString()),
                   "the idle task of a CPU cannot be read");
    }
  }
  tasks.insert(tasks.begin(), std::make_move_iterator(idle.begin()),
               std::make_move_iterator(idle.end()));
  return tasks;
}

Result<unwind::Stack> UnwindBlockedTask(const Kernel& kernel, const Task& task) {
  auto place = [&] { return fmt::format("stack of {} ({})", task.comm, task.pid); };
  HMEM_ASSIGN(const unwind::Unwinder* unwinder, kernel.unwinder());
  const arch::Arch& arch = kernel.arch();
  if (arch.stack_rules == nullptr) {
    return Fail(ErrorCode::kUnsupported, fmt::format("stacks on architecture {}", arch.name));
  }
  if (task.on_cpu) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: it was running on CPU {}", place(), task.cpu));
  }
  if (task.stack.value == 0) {
    return Fail(ErrorCode::kNotFound, fmt::format("{}: it is dead, its stack is gone", place()));
  }
  const arch::StackRules& rules = *arch.stack_rules;
  HMEM_ASSIGN(VirtAddr frame,
              kernel.MemberPointer(task.address, "task_struct", rules.saved_sp_path));
  if (frame < task.stack || frame - task.stack >= rules.default_stack_bytes * kMaxStackFactor) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: saved stack pointer {:#x} is not on its stack at {:#x}", place(),
                            frame.value, task.stack.value));
  }
  unwind::Start start{.registers = space::RegisterSet::Empty(arch)};
  for (const arch::StackRules::SavedRegister& saved : rules.switch_frame_registers) {
    HMEM_ASSIGN(uint64_t value,
                Within(place(), kernel.Member(frame, rules.switch_frame_struct, saved.member)));
    start.registers.Set(arch, saved.register_name, value);
  }
  HMEM_ASSIGN(uint64_t frame_bytes, kernel.SizeOf(rules.switch_frame_struct));
  start.registers.Set(arch, arch.sp_register, (frame + frame_bytes).value);
  // A return address into the scheduler; but the first byte of ret_from_fork in a task that never
  // ran.
  std::optional<uint64_t> pc = start.registers.Get(arch, arch.pc_register);
  std::optional<symbols::Located> located =
      pc ? kernel.symbols().Locate(VirtAddr(*pc)) : std::nullopt;
  start.exact = located && located->offset == 0;
  return unwinder->Unwind(start, {});
}

}  // namespace hmem::walk
