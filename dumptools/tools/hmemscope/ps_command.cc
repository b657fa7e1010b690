// SPDX-License-Identifier: GPL-2.0-or-later
#include <set>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/process_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/walk/tasks.h"

namespace hmem::hmemscope {
namespace {

Result<Answer> Run(OpenedDump& dump, const Invocation&) {
  v1::ProcessReport report;
  *report.mutable_origin() = dump.origin();
  Findings findings;
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    std::set<uint64_t> seen;
    auto add = [&](const v1::Task& task) {
      if (seen.insert(task.address()).second) *report.add_tasks() = task;
    };
    for (const v1::Cpu& cpu : bare->cpus()) {
      if (cpu.has_current()) add(cpu.current());
    }
    for (const v1::BlockedTask& blocked : bare->blocked_tasks()) add(blocked.task());
    findings.Add(Severity::kLoss, "ps.record-has-some-tasks", "",
                 "the record holds running and blocked tasks only; the others are in the dump");
  } else {
    HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
    HMEM_ASSIGN(auto tasks, walk::ReadTasks(*kernel, /*with_idle=*/true, findings));
    for (const walk::Task& task : tasks) *report.add_tasks() = firstfailure::EncodeTask(task);
  }
  dump.EncodeFindings(findings, "ps", report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kNotes);
}

}  // namespace

const Command& PsCommand() {
  static constexpr Command kCommand = {"ps", "the task list", {}, {}, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
