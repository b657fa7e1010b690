// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <charconv>
#include <set>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/firstfailure/stack_reading.h"
#include "dumptools/report/text/backtrace_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/walk/cpus.h"
#include "dumptools/walk/tasks.h"

namespace hmem::hmemscope {
namespace {

struct Wanted {
  bool all_cpus = false, all_tasks = false;
  std::set<int32_t> pids;
  bool crashed_cpu() const { return !all_cpus && !all_tasks && pids.empty(); }
};

Result<Wanted> ReadWanted(const Invocation& invocation) {
  Wanted wanted{
      .all_cpus = invocation.Has("--all"), .all_tasks = invocation.Has("--all-tasks"), .pids = {}};
  for (const std::string& word : invocation.arguments) {
    int32_t pid = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), pid);
    if (error != std::errc() || end != word.data() + word.size() || pid < 0) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no pid", word));
    }
    wanted.pids.insert(pid);
  }
  return wanted;
}

v1::TaskStack FromCpu(const v1::Cpu& cpu) {
  v1::TaskStack out;
  *out.mutable_task() = cpu.current();
  *out.mutable_stack() = cpu.stack();
  *out.mutable_registers() = cpu.registers();
  out.set_crashed(cpu.crashed());
  out.set_cpu(cpu.number());
  out.set_on_cpu(true);
  if (cpu.crashed()) firstfailure::MarkMachinery(*out.mutable_stack());
  return out;
}

Status CheckFound(const Wanted& wanted, const v1::BacktraceReport& report, std::string_view where) {
  std::set<int32_t> missing = wanted.pids;
  for (const v1::TaskStack& stack : report.stacks()) missing.erase(stack.task().pid());
  if (!missing.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("no task with pid {} in {}", fmt::join(missing, ", "), where));
  }
  if (wanted.crashed_cpu() && report.stacks_size() == 0) {
    return Fail(ErrorCode::kNotFound, fmt::format("no CPU panicked in {}; -a shows all", where));
  }
  return {};
}

void FromRecord(const v1::FirstFailure& record, const Wanted& wanted, v1::BacktraceReport& report,
                Findings& findings) {
  for (const v1::Cpu& cpu : record.cpus()) {
    const bool asked = wanted.all_cpus || wanted.all_tasks ||
                       (wanted.crashed_cpu() && cpu.crashed()) ||
                       (cpu.has_current() && wanted.pids.contains(cpu.current().pid()));
    if (asked) *report.add_stacks() = FromCpu(cpu);
  }
  for (const v1::BlockedTask& blocked : record.blocked_tasks()) {
    if (!wanted.all_tasks && !wanted.pids.contains(blocked.task().pid())) continue;
    v1::TaskStack& stack = *report.add_stacks();
    *stack.mutable_task() = blocked.task();
    *stack.mutable_stack() = blocked.stack();
  }
  if (wanted.all_tasks) {
    findings.Add(
        Severity::kLoss, "bt.record-has-some-tasks", "",
        "the record holds the stacks of CPUs and blocked tasks only; the others are in the dump");
  }
}

Status FromKernel(const walk::Kernel& kernel, const Wanted& wanted, v1::BacktraceReport& report,
                  Findings& findings) {
  HMEM_ASSIGN(std::vector<walk::Cpu> cpus, walk::ReadCpus(kernel, findings));
  std::optional<uint32_t> crashed;
  if (auto number = walk::CrashedCpu(kernel)) crashed = *number;
  std::set<VirtAddr> running;
  for (const walk::Cpu& cpu : cpus) {
    if (cpu.current) running.insert(cpu.current->address);
    const bool this_crashed = cpu.crashed || crashed == cpu.number;
    const bool asked = wanted.all_cpus || wanted.all_tasks ||
                       (wanted.crashed_cpu() && this_crashed) ||
                       (cpu.current && wanted.pids.contains(cpu.current->pid));
    if (!asked) continue;
    v1::Cpu encoded = firstfailure::EncodeCpu(kernel, cpu);
    encoded.set_crashed(this_crashed);
    *report.add_stacks() = FromCpu(encoded);
  }
  if (!wanted.all_tasks && wanted.pids.empty()) return {};
  HMEM_ASSIGN(std::vector<walk::Task> tasks,
              walk::ReadTasks(kernel, /*with_idle=*/false, findings));
  for (const walk::Task& task : tasks) {
    if (running.contains(task.address) || (!wanted.all_tasks && !wanted.pids.contains(task.pid)))
      continue;
    v1::TaskStack& out = *report.add_stacks();
    *out.mutable_task() = firstfailure::EncodeTask(task);
    if (auto stack = walk::UnwindBlockedTask(kernel, task)) {
      *out.mutable_stack() = firstfailure::EncodeStack(kernel.symbols(), *stack);
    } else {
      out.mutable_stack()->set_end_reason(firstfailure::SafeText(stack.error().ToString(), 512));
      findings.Add(
          Severity::kLoss, "bt.no-stack", fmt::format("pid {}", task.pid),
          fmt::format("the stack of a task could not be read: {}", stack.error().ToString()));
    }
  }
  return {};
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  HMEM_ASSIGN(Wanted wanted, ReadWanted(invocation));
  v1::BacktraceReport report;
  *report.mutable_origin() = dump.origin();
  Findings findings;
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    FromRecord(*bare, wanted, report, findings);
    HMEM_TRY(CheckFound(wanted, report, "the record"));
  } else {
    HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
    HMEM_TRY(FromKernel(*kernel, wanted, report, findings));
    HMEM_TRY(CheckFound(wanted, report, "the dump"));
  }
  dump.EncodeFindings(findings, report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kNotes);
}

}  // namespace

const Command& BtCommand() {
  static constexpr Flag kFlags[] = {{"--all", "-a", "", "all CPUs"},
                                    {"--all-tasks", "", "", "all CPUs and every task"}};
  static constexpr Argument kArguments[] = {
      {"PID", "tasks to show; none: the CPU that crashed", 0, 4096}};
  static constexpr Command kCommand = {"bt", "kernel stacks", kFlags, kArguments, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
