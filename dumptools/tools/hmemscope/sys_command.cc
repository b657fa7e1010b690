// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>

#include "dumptools/firstfailure/cause.h"
#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/system_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/walk/cpus.h"
#include "dumptools/walk/printk.h"
#include "dumptools/walk/system.h"
#include "dumptools/walk/tasks.h"

namespace hmem::hmemscope {
namespace {

void FromRecord(const v1::FirstFailure& record, v1::SystemReport& report) {
  *report.mutable_kernel() = record.kernel();
  *report.mutable_identity() = record.identity();
  *report.mutable_clock() = record.clock();
  *report.mutable_memory() = record.memory();
  report.set_cpus_possible(record.cpus_possible());
  report.set_cpus_online(record.cpus_online());
  report.set_crashed_cpu(record.crashed_cpu());
  report.set_crashed_cpu_known(
      std::ranges::any_of(record.cpus(), [](const v1::Cpu& cpu) { return cpu.crashed(); }));
  report.set_panic_message(record.cause().panic_message());
  report.set_task_count(record.task_count());
}

void Missing(Findings& findings, std::string_view id, const Error& error, std::string_view what) {
  findings.Add(Severity::kLoss, id, error.ToString(),
               fmt::format("{} could not be read: {}", what, error.ToString()));
}

void FromKernel(const walk::Kernel& kernel, v1::SystemReport& report, Findings& findings) {
  walk::System system = walk::ReadSystem(kernel, findings);
  uint64_t log_end_ns = 0;
  auto log = walk::ReadLog(kernel.memory(), kernel.vmcoreinfo(), findings);
  if (!log) {
    Missing(findings, "sys.log.unreadable", log.error(), "the kernel log");
  } else if (!log->empty()) {
    log_end_ns = log->back().time_ns;
    report.set_panic_message(firstfailure::FindCause(*log, {}).cause.panic_message());
  }
  *report.mutable_kernel() = firstfailure::EncodeKernelIdentity(kernel, system);
  *report.mutable_clock() = firstfailure::EncodeClock(system, log_end_ns);
  *report.mutable_memory() = firstfailure::EncodeMemory(system);
  report.mutable_identity()->set_boot_id(firstfailure::SafeText(system.boot_id, 64));
  report.set_cpus_possible(system.cpus_possible);
  report.set_cpus_online(system.cpus_online);
  auto crashed = walk::CrashedCpu(kernel);
  if (crashed) {
    report.set_crashed_cpu(*crashed);
    report.set_crashed_cpu_known(true);
  } else if (crashed.error().code() != ErrorCode::kNotFound) {
    Missing(findings, "sys.crashed-cpu.unknown", crashed.error(), "the CPU that crashed");
  }
  auto tasks = walk::ReadTasks(kernel, /*with_idle=*/false, findings);
  if (tasks) {
    report.set_task_count(static_cast<uint32_t>(tasks->size()));
  } else {
    Missing(findings, "sys.tasks.unreadable", tasks.error(), "the task list");
  }
}

Result<Answer> Run(OpenedDump& dump, const Invocation&) {
  v1::SystemReport report;
  *report.mutable_origin() = dump.origin();
  Findings findings;
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    FromRecord(*bare, report);
  } else {
    HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
    FromKernel(*kernel, report, findings);
    // Host, arming and labels are known to the record alone.
    if (auto embedded = dump.embedded_record(); embedded && *embedded) {
      *report.mutable_identity() = (*embedded)->identity();
    }
    report.mutable_identity()->set_dump_id(report.origin().dump_id());
  }
  dump.EncodeFindings(findings, "sys", report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kNotes);
}

}  // namespace

const Command& SysCommand() {
  static constexpr Command kCommand = {"sys", "the machine and its kernel", {}, {}, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
