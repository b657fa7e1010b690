// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's own words for failures: which log lines open, continue and close one. The texts are
// those of kernel/panic.c, kernel/watchdog.c, kernel/hung_task.c, kernel/rcu/tree_stall.h,
// mm/oom_kill.c, lib/bug.c, arch/*/mm/fault.c, arch/x86/kernel/traps.c and
// arch/x86/kernel/cpu/mce, 4.x to 6.x.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dumptools/walk/printk.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

// The record's text where the kernel itself wrote it; empty for what userland wrote through
// /dev/kmsg, which never has facility 0 (LOG_KERN) and can imitate any line.
std::string_view KernelText(const walk::LogRecord& record);

struct FailureLine {
  v1::Cause::Kind kind = v1::Cause::KIND_UNSPECIFIED;
  // Short words for people and for FirstFailureBlock.kind: "bad pointer", "warning", "soft lockup".
  std::string_view name;
  // True for a CPU exception or BUG: the kernel dies of it (or kills the task).
  bool oops = false;
};

// What kind of failure the line opens; nullopt: none. A panic line counts.
std::optional<FailureLine> ClassifyLine(std::string_view line);

// The text behind "Kernel panic - not syncing: "; nullopt: not a panic line.
std::optional<std::string_view> PanicText(std::string_view line);
// The kind a panic's own text tells; KIND_PANIC when it does not. KIND_UNSPECIFIED: "Fatal
// exception", look for an oops.
v1::Cause::Kind KindOfPanicText(std::string_view text);

bool IsCutHere(std::string_view line);   // "------------[ cut here ]------------"
bool IsEndTrace(std::string_view line);  // "---[ end trace 0000000000000000 ]---"
// Looks like what follows a failure's first line: a register, a stack frame, "Call Trace:",
// "Modules linked in:".
bool IsTraceLine(std::string_view line);

// The address a bad-pointer or general-protection line names.
std::optional<uint64_t> FaultAddress(std::string_view line);
// The CPU a lockup line names.
std::optional<uint32_t> LockupCpu(std::string_view line);
// CPUs of a line that lists stalled ones: "rcu: \t3-....: (1 GPs behind) idle=", or all of them
// behind "detected stalls on CPUs/tasks: {". Empty: it lists none.
std::vector<uint32_t> StalledCpus(std::string_view line);
// The task a hung-task line names: "INFO: task NAME:PID blocked for more than".
struct NamedTask {
  std::string comm;
  int32_t pid = 0;
};
std::optional<NamedTask> HungTask(std::string_view line);
// The CPU that an oops report's "CPU: 1 PID: 312 Comm: x" names.
std::optional<uint32_t> ReportCpu(std::string_view line);

// "RIP: 0010:name+0x1b/0x20 [module]" and its like: where the log itself says execution was.
struct LogLocation {
  std::string symbol, module;
  uint64_t offset = 0, size = 0;
};
std::optional<LogLocation> LocationInLine(std::string_view line);

}  // namespace hmem::firstfailure
