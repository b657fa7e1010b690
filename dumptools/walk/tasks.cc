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

namespace {

// The lists of tasks, gone through once.
class TaskWalk {
 public:
  TaskWalk(const Kernel& kernel, Findings& findings, const std::function<bool(const Task&)>& visit)
      : kernel_(kernel), findings_(findings), visit_(visit) {}

  // `head`: init_task's list of processes.
  void Processes(VirtAddr head);
  void IdleTasks();
  bool more() const { return !enough_ && tasks_ < kMaxTasks; }

 private:
  void Visit(const Task& task) {
    ++tasks_;
    if (!visit_(task)) enough_ = true;
  }
  void Threads(VirtAddr leader, int64_t process);
  void Thread(VirtAddr address);
  // A member that is a process id; 0: it is none, or cannot be read.
  int64_t Id(VirtAddr task, std::string_view member) const;
  // Whether an entry is worth reading when it is the last of so many strangers in a row.
  bool Believed(VirtAddr entry, size_t strangers);
  void Bad(VirtAddr address, const Error& error) {
    findings_.Add(Severity::kLoss, "walk.tasks.bad",
                  fmt::format("task_struct at {:#x}: {}", address.value, error.ToString()),
                  "a task cannot be read and is missing");
  }

  const Kernel& kernel_;
  Findings& findings_;
  const std::function<bool(const Task&)>& visit_;
  size_t tasks_ = 0;
  bool enough_ = false;
};

int64_t TaskWalk::Id(VirtAddr task, std::string_view member) const {
  const int64_t value =
      static_cast<int64_t>(kernel_.Member(task, "task_struct", member).value_or(0));
  return value > 0 && value <= static_cast<int64_t>(kMaxTasks) ? value : 0;
}

bool TaskWalk::Believed(VirtAddr entry, size_t strangers) {
  if (strangers <= kMaxStrangers) return true;
  findings_.Add(Severity::kLoss, "walk.tasks.astray", fmt::format("entry at {:#x}", entry.value),
                "a list of tasks leads to what are none; they are not shown");
  return false;
}

void TaskWalk::Thread(VirtAddr address) {
  Result<Task> task = ReadTask(kernel_, address);
  if (!task) return Bad(address, task.error());
  if (!IsIdle(*task)) Visit(*task);
}

void TaskWalk::Threads(VirtAddr leader, int64_t process) {
  Result<VirtAddr> signal = kernel_.MemberPointer(leader, "task_struct", "signal");
  if (!signal) return Bad(leader, signal.error());
  Result<VirtAddr> threads = kernel_.MemberAddress(*signal, "signal_struct", "thread_head");
  bool leader_seen = false;
  size_t strangers = 0;
  if (threads && signal->value != 0) {
    ForEachListEntry(
        kernel_.memory(), *threads, process != 0 ? kMaxTasks - tasks_ : kMaxStrangers,
        fmt::format("threads of task {:#x}", leader.value), findings_, [&](VirtAddr entry) {
          Result<VirtAddr> thread = kernel_.Container(entry, "task_struct", "thread_node");
          if (!thread) return false;
          if (*thread == leader) leader_seen = true;
          strangers = Id(*thread, "tgid") == process ? 0 : strangers + 1;
          if (Believed(entry, strangers)) Thread(*thread);
          return more();
        });
  }
  if (!leader_seen && more()) Thread(leader);  // its thread list is damaged
}

void TaskWalk::Processes(VirtAddr head) {
  size_t strangers = 0;
  ForEachListEntry(kernel_.memory(), head, kMaxTasks, "tasks", findings_, [&](VirtAddr entry) {
    Result<VirtAddr> leader = kernel_.Container(entry, "task_struct", "tasks");
    if (!leader) return false;
    const int64_t pid = Id(*leader, "pid");
    const bool is_leader = pid != 0 && pid == Id(*leader, "tgid");
    strangers = is_leader ? 0 : strangers + 1;
    if (Believed(entry, strangers)) Threads(*leader, is_leader ? pid : 0);
    return more();
  });
}

void TaskWalk::IdleTasks() {
  for (uint32_t cpu : PossibleCpus(kernel_, findings_)) {
    if (!more()) return;
    auto read = [&]() -> Result<Task> {
      HMEM_ASSIGN(VirtAddr runqueue, kernel_.PerCpu("runqueues", cpu));
      HMEM_ASSIGN(VirtAddr task, kernel_.MemberPointer(runqueue, "rq", "idle"));
      return ReadTask(kernel_, task);
    };
    Result<Task> task = read();
    if (task) {
      task->cpu = cpu;
      Visit(*task);
    } else {
      findings_.Add(Severity::kLoss, "walk.tasks.no-idle",
                    fmt::format("cpu {}: {}", cpu, task.error().ToString()),
                    "the idle task of a CPU cannot be read");
    }
  }
}

}  // namespace

Status ForEachTask(const Kernel& kernel, bool with_idle, Findings& findings,
                   const std::function<bool(const Task&)>& visit) {
  HMEM_ASSIGN(VirtAddr init_task, Within("tasks", kernel.SymbolAddress("init_task")));
  HMEM_ASSIGN(VirtAddr head,
              Within("tasks", kernel.MemberAddress(init_task, "task_struct", "tasks")));
  // Say at once what no task could be read without.
  for (std::string_view path : {"signal", "thread_node", "pid", "tgid", "comm", "exit_state"}) {
    HMEM_TRY(Within("tasks", kernel.MemberAddress(init_task, "task_struct", path)));
  }
  HMEM_TRY(Within("tasks", kernel.MemberAddress(init_task, "signal_struct", "thread_head")));
  TaskWalk walk(kernel, findings, visit);
  walk.Processes(head);
  if (with_idle && walk.more()) walk.IdleTasks();
  return {};
}

Result<std::vector<Task>> ReadTasks(const Kernel& kernel, bool with_idle, Findings& findings) {
  std::vector<Task> tasks, idle;
  HMEM_TRY(ForEachTask(kernel, with_idle, findings, [&](const Task& task) {
    (IsIdle(task) ? idle : tasks).push_back(task);
    return true;
  }));
  // A damaged list may lead to one task twice.
  std::ranges::sort(tasks, {}, &Task::address);
  auto twice = std::ranges::unique(tasks, {}, &Task::address);
  tasks.erase(twice.begin(), twice.end());
  std::ranges::stable_sort(tasks, [](const Task& a, const Task& b) {
    return a.tgid != b.tgid ? a.tgid < b.tgid : a.pid < b.pid;
  });
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
