// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <charconv>
#include <set>
#include <span>
#include <vector>

#include "dumptools/firstfailure/cause.h"
#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/backtrace_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/walk/cpus.h"
#include "dumptools/walk/printk.h"
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

v1::TaskStack FromCpu(const v1::FirstFailure& record, const v1::Cpu& cpu) {
  v1::TaskStack out;
  *out.mutable_task() = cpu.current();
  *out.mutable_stack() = cpu.stack();
  *out.mutable_registers() = cpu.registers();
  out.set_crashed(cpu.crashed());
  out.set_cpu(cpu.number());
  out.set_on_cpu(true);
  const v1::Cause& cause = record.cause();
  out.set_holds_location(cause.location_stack() == v1::Cause::LOCATION_STACK_CPU &&
                         cause.location_cpu() == cpu.number());
  if (out.holds_location()) out.set_location_frame(cause.location_frame());
  return out;
}

v1::TaskStack FromBlocked(const v1::FirstFailure& record, const v1::BlockedTask& blocked) {
  v1::TaskStack out;
  *out.mutable_task() = blocked.task();
  *out.mutable_stack() = blocked.stack();
  const v1::Cause& cause = record.cause();
  out.set_holds_location(cause.location_stack() == v1::Cause::LOCATION_STACK_BLOCKED_TASK &&
                         cause.location_task().pid() == blocked.task().pid());
  if (out.holds_location()) out.set_location_frame(cause.location_frame());
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

// A record without a crashed CPU says whether there was none.
Status CheckCrashedCpuKnown(const v1::FirstFailure& record) {
  for (const v1::Finding& finding : record.findings()) {
    if (finding.id() == "record.crashed-cpu.unknown")
      return Fail(ErrorCode::kNotFound, finding.text() + "; -a shows all");
  }
  return {};
}

void FromRecord(const v1::FirstFailure& record, const Wanted& wanted, v1::BacktraceReport& report,
                Findings& findings) {
  for (const v1::Cpu& cpu : record.cpus()) {
    const bool asked = wanted.all_cpus || wanted.all_tasks ||
                       (wanted.crashed_cpu() && cpu.crashed()) ||
                       (cpu.has_current() && wanted.pids.contains(cpu.current().pid()));
    if (asked) *report.add_stacks() = FromCpu(record, cpu);
  }
  for (const v1::BlockedTask& blocked : record.blocked_tasks()) {
    if (!wanted.all_tasks && !wanted.pids.contains(blocked.task().pid())) continue;
    *report.add_stacks() = FromBlocked(record, blocked);
  }
  if (wanted.all_tasks) {
    findings.Add(
        Severity::kLoss, "bt.record-has-some-tasks", "",
        "the record holds the stacks of CPUs and blocked tasks only; the others are in the dump");
  }
}

v1::BlockedTask EncodeBlocked(const walk::Kernel& kernel, const walk::Task& task,
                              Findings& findings) {
  v1::BlockedTask out;
  *out.mutable_task() = firstfailure::EncodeTask(task);
  if (auto stack = walk::UnwindBlockedTask(kernel, task)) {
    *out.mutable_stack() = firstfailure::EncodeStack(kernel.symbols(), kernel.arch(), *stack);
  } else {
    out.mutable_stack()->set_end_reason(firstfailure::SafeText(stack.error().ToString(), 512));
    findings.Add(
        Severity::kLoss, "bt.no-stack", fmt::format("pid {}", task.pid),
        fmt::format("the stack of a task could not be read: {}", stack.error().ToString()));
  }
  return out;
}

// The CPUs and the cause as the record has them, so that the failing frame is the same in both.
v1::FirstFailure RecordOfCpus(const walk::Kernel& kernel, const std::vector<walk::Cpu>& cpus,
                              std::span<const walk::LogRecord> log,
                              const std::vector<v1::BlockedTask>& blocked) {
  v1::FirstFailure record;
  record.mutable_clock()->set_crash_time_s(
      static_cast<int64_t>(kernel.vmcoreinfo().Number("CRASHTIME").value_or(0)));
  if (auto crashed = walk::CrashedCpu(kernel)) record.set_crashed_cpu(*crashed);
  for (const walk::Cpu& cpu : cpus) *record.add_cpus() = firstfailure::EncodeCpu(kernel, cpu);
  for (const v1::BlockedTask& task : blocked) *record.add_blocked_tasks() = task;
  firstfailure::SetCause(log, record);
  return record;
}

Status FromKernel(const walk::Kernel& kernel, const Wanted& wanted, v1::BacktraceReport& report,
                  Findings& findings) {
  const std::vector<walk::Cpu> cpus = walk::ReadCpus(kernel, findings);
  auto crashed = walk::CrashedCpu(kernel);
  if (wanted.crashed_cpu() && !crashed && crashed.error().code() != ErrorCode::kNotFound) {
    return std::unexpected<Error>(
        std::move(crashed).error().Within("the CPU that crashed is not known; -a shows all"));
  }
  // The log only says which frame failed: without it the stacks are still whole.
  Findings of_log;
  auto log = walk::ReadLog(kernel.memory(), kernel.vmcoreinfo(), of_log);
  std::vector<walk::LogRecord> lines;
  if (log) lines = *std::move(log);

  std::set<VirtAddr> running;
  for (const walk::Cpu& cpu : cpus) {
    if (cpu.current) running.insert(cpu.current->address);
  }
  std::vector<v1::BlockedTask> blocked;
  if (wanted.all_tasks || !wanted.pids.empty()) {
    HMEM_ASSIGN(std::vector<walk::Task> tasks,
                walk::ReadTasks(kernel, /*with_idle=*/false, findings));
    for (const walk::Task& task : tasks) {
      if (running.contains(task.address)) continue;
      if (wanted.all_tasks || wanted.pids.contains(task.pid))
        blocked.push_back(EncodeBlocked(kernel, task, findings));
    }
  }
  const v1::FirstFailure record = RecordOfCpus(kernel, cpus, lines, blocked);
  for (const v1::Cpu& cpu : record.cpus()) {
    const bool asked = wanted.all_cpus || wanted.all_tasks ||
                       (wanted.crashed_cpu() && cpu.crashed()) ||
                       (cpu.has_current() && wanted.pids.contains(cpu.current().pid()));
    if (asked) *report.add_stacks() = FromCpu(record, cpu);
  }
  for (const v1::BlockedTask& task : record.blocked_tasks())
    *report.add_stacks() = FromBlocked(record, task);
  return {};
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  HMEM_ASSIGN(Wanted wanted, ReadWanted(invocation));
  v1::BacktraceReport report;
  *report.mutable_origin() = dump.origin();
  Findings findings;
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    if (wanted.crashed_cpu()) HMEM_TRY(CheckCrashedCpuKnown(*bare));
    FromRecord(*bare, wanted, report, findings);
    HMEM_TRY(CheckFound(wanted, report, "the record"));
  } else {
    HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
    HMEM_TRY(FromKernel(*kernel, wanted, report, findings));
    HMEM_TRY(CheckFound(wanted, report, "the dump"));
  }
  dump.EncodeFindings(findings, "bt", report.mutable_findings());
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
