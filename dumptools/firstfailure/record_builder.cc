// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/record_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <span>
#include <vector>

#include "dumptools/firstfailure/cause.h"
#include "dumptools/firstfailure/encode.h"
#include "dumptools/firstfailure/fingerprint.h"
#include "dumptools/firstfailure/first_block.h"
#include "dumptools/firstfailure/record_budget.h"
#include "dumptools/walk/cpus.h"
#include "dumptools/walk/file_notes.h"
#include "dumptools/walk/modules.h"
#include "dumptools/walk/printk.h"
#include "dumptools/walk/system.h"
#include "dumptools/walk/tasks.h"
#include "hmem/space/cpu_notes.h"

namespace hmem::firstfailure {
namespace {

void Missing(Findings& findings, std::string_view id, const Error& error, std::string_view what) {
  findings.Add(Severity::kLoss, id, error.ToString(),
               fmt::format("{} could not be read: {}", what, error.ToString()));
}

void AddEvent(std::string_view name, uint64_t uptime_ns, v1::FirstFailure& record) {
  v1::TimelineEvent& event = *record.add_timeline();
  event.set_name(std::string(name));
  event.set_capture_uptime_ns(uptime_ns);
}

uint64_t UptimeNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void AddOptions(const RecordOptions& options, v1::FirstFailure& record) {
  record.set_schema_version(kSchemaVersion);
  v1::Identity& identity = *record.mutable_identity();
  identity.set_host_id(options.identity.host_id);
  identity.set_arm_id(options.identity.arm_id);
  identity.set_dump_id(options.dump_id);
  for (const auto& [key, value] : options.identity.labels) {
    v1::Label* label = identity.add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  *record.mutable_dump() = options.dump;
  record.mutable_clock()->set_record_time_s(options.record_time_s);
  for (const auto& [name, uptime_ns] : options.identity.timeline) AddEvent(name, uptime_ns, record);
  for (const v1::TimelineEvent& event : options.timeline) *record.add_timeline() = event;
  record.set_tool(SafeText(options.tool, 256));
}

void AddCrashId(v1::FirstFailure& record, Findings& findings) {
  v1::Identity& identity = *record.mutable_identity();
  identity.set_crash_id(CrashId(identity.host_id(), identity.boot_id(),
                                record.clock().crash_time_s(), identity.arm_id()));
  if (identity.crash_id().empty()) {
    findings.Add(Severity::kInfo, "record.crash-id.unknown", "",
                 "neither host, boot, crash time nor arming is known; the record has no crash id");
  }
}

// For a kernel whose memory cannot be read: each CPU note of the file is a CPU.
void AddCpusFromNotes(const source::MemorySource& source, const arch::Arch& arch,
                      v1::FirstFailure& record, Findings& findings) {
  uint32_t number = 0;
  for (const space::CpuNote& note : walk::ReadFileNotes(source, arch, findings)) {
    v1::Cpu& cpu = *record.add_cpus();
    cpu.set_number(number++);
    cpu.set_online(true);
    EncodeRegisters(arch, note.registers, cpu.mutable_registers());
    cpu.set_registers_origin(v1::Cpu::REGISTERS_ORIGIN_FILE_IN_ORDER);
    cpu.mutable_stack()->set_end_reason("registers only: no symbols or types to unwind with");
    if (note.pid != 0) cpu.mutable_current()->set_pid(static_cast<int32_t>(note.pid));
  }
  if (number > 0) {
    findings.Add(
        Severity::kLoss, "record.cpus.from-notes", "",
        "registers are from the dump's notes in their order, which need not be the CPU numbers");
  }
}

void AddCpus(const walk::Kernel& kernel, v1::FirstFailure& record, Findings& findings) {
  auto crashed = walk::CrashedCpu(kernel);
  if (crashed) {
    record.set_crashed_cpu(*crashed);
  } else {
    Missing(findings, "record.crashed-cpu.unknown", crashed.error(), "the CPU that crashed");
  }
  for (const walk::Cpu& cpu : walk::ReadCpus(kernel, findings)) {
    v1::Cpu& encoded = *record.add_cpus();
    encoded = EncodeCpu(kernel, cpu);
    if (cpu.crashed && encoded.has_current()) *record.mutable_crashed_task() = encoded.current();
  }
}

void AddBlockedTask(const walk::Kernel& kernel, const walk::Task& task, v1::FirstFailure& record,
                    Findings& findings) {
  v1::BlockedTask& encoded = *record.add_blocked_tasks();
  *encoded.mutable_task() = EncodeTask(task);
  if (auto stack = walk::UnwindBlockedTask(kernel, task)) {
    *encoded.mutable_stack() = EncodeStack(kernel.symbols(), kernel.arch(), *stack);
  } else {
    encoded.mutable_stack()->set_end_reason(SafeText(stack.error().ToString(), 512));
    findings.Add(
        Severity::kLoss, "record.blocked-task.no-stack", fmt::format("pid {}", task.pid),
        fmt::format("the stack of a blocked task could not be read: {}", stack.error().ToString()));
  }
}

// The stacks of blocked tasks, that of `named_pid` first: the log says that it is the one.
void AddTasks(const walk::Kernel& kernel, const RecordOptions& options,
              std::optional<int32_t> named_pid, v1::FirstFailure& record, Findings& findings) {
  // Of a task no more than where it is: a machine has a hundred thousand of them.
  struct Place {
    int32_t tgid, pid;
    VirtAddr address;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<VirtAddr> all;
  std::vector<Place> blocked;
  Status walked =
      walk::ForEachTask(kernel, /*with_idle=*/false, findings, [&](const walk::Task& task) {
        all.push_back(task.address);
        if (task.state_letter == 'D' && !task.on_cpu)
          blocked.push_back({task.tgid, task.pid, task.address});
        return true;
      });
  if (!walked) {
    Missing(findings, "record.tasks.unreadable", walked.error(), "the task list");
    return;
  }
  // A damaged list may lead to one task twice.
  auto once = [](auto& places) {
    std::ranges::sort(places);
    auto twice = std::ranges::unique(places);
    places.erase(twice.begin(), twice.end());
  };
  once(all);
  once(blocked);
  record.set_task_count(static_cast<uint32_t>(all.size()));
  record.set_blocked_task_count(static_cast<uint32_t>(blocked.size()));
  std::ranges::stable_partition(blocked,
                                [&](const Place& place) { return place.pid == named_pid; });
  if (blocked.size() > options.max_blocked_tasks) {
    findings.Add(Severity::kInfo, "record.blocked-tasks.cut", "",
                 fmt::format("{} tasks are blocked; the stacks of {} are kept", blocked.size(),
                             options.max_blocked_tasks));
    blocked.resize(options.max_blocked_tasks);
  }
  for (const Place& place : blocked) {
    auto task = walk::ReadTask(kernel, place.address);
    if (task) AddBlockedTask(kernel, *task, record, findings);
  }
}

// Opening the kernel has walked the list already, so what is met again counts once.
void AddModules(const walk::Kernel& kernel, v1::FirstFailure& record, Findings& findings) {
  Findings met;
  auto modules = walk::ReadModules(kernel, met);
  auto known = [&](const Finding& finding) {
    return std::ranges::any_of(kernel.findings().all(),
                               [&](const Finding& other) { return other.id == finding.id; });
  };
  if (!std::ranges::all_of(met.all(), known)) findings.Merge(met);
  if (!modules) {
    Missing(findings, "record.modules.unreadable", modules.error(), "the module list");
    return;
  }
  for (const walk::Module& module : *modules) *record.add_modules() = EncodeModule(module);
}

void AddSystem(const walk::Kernel& kernel, uint64_t log_end_ns, v1::FirstFailure& record,
               Findings& findings) {
  walk::System system = walk::ReadSystem(kernel, findings);
  *record.mutable_kernel() = EncodeKernelIdentity(kernel, system);
  *record.mutable_memory() = EncodeMemory(system);
  const int64_t record_time_s = record.clock().record_time_s();
  *record.mutable_clock() = EncodeClock(system, log_end_ns);
  record.mutable_clock()->set_record_time_s(record_time_s);
  record.mutable_identity()->set_boot_id(SafeText(system.boot_id, 64));
  record.set_cpus_possible(system.cpus_possible);
  record.set_cpus_online(system.cpus_online);
  record.set_elf_machine(kernel.source().elf_machine());
}

// The last records that fit the budgets.
void AddLogTail(std::span<const walk::LogRecord> log, const RecordOptions& options,
                v1::FirstFailure& record) {
  std::vector<v1::LogRecord> tail;
  size_t text_bytes = 0, encoded_bytes = 0;
  while (tail.size() < log.size()) {
    const walk::LogRecord& line = log[log.size() - 1 - tail.size()];
    text_bytes += line.text.size();
    if (text_bytes > options.log_tail_bytes) break;
    v1::LogRecord encoded = EncodeLogRecord(line);
    encoded_bytes += encoded.ByteSizeLong();
    if (encoded_bytes > options.log_tail_encoded_bytes) break;
    tail.push_back(std::move(encoded));
  }
  record.set_log_records_omitted(log.size() - tail.size());
  for (auto line = tail.rbegin(); line != tail.rend(); ++line)
    *record.add_log_tail() = std::move(*line);
}

void AddCause(std::span<const walk::LogRecord> log, v1::FirstFailure& record) {
  CauseResult found = SetCause(log, record);
  if (auto fingerprint = MakeFingerprint(record))
    *record.mutable_cause()->mutable_fingerprint() = *std::move(fingerprint);

  record.set_log_start_lost(!log.empty() && log.front().sequence > 0);
  auto block = FindFirstBlock(log);
  if (!block) return;
  v1::FirstFailureBlock& first = *record.mutable_first_failure();
  first.set_origin(v1::FirstFailureBlock::ORIGIN_LOG);
  first.set_kind(block->kind);
  first.set_time_ns(log[block->begin].time_ns);
  first.set_log_start_lost(record.log_start_lost());
  auto inside = [&](std::optional<size_t> index) {
    return index && *index >= block->begin && *index < block->end;
  };
  first.set_is_the_panic(inside(found.panic_record) || inside(found.failure_record));
  for (size_t i = block->begin; i < block->end; ++i) *first.add_records() = EncodeLogRecord(log[i]);
}

// Findings go in last and count against the size too.
v1::FirstFailure Finish(v1::FirstFailure record, const RecordOptions& options, Findings& findings) {
  record.set_whole(true);
  // Elsewhere than in the capture kernel there is no timeline, and this uptime says nothing.
  if (record.timeline_size() > 0) AddEvent("record built", UptimeNs(), record);
  FitRecord(options.max_bytes, record, findings);
  EncodeFindings(findings, record.mutable_findings());
  return record;
}

}  // namespace

Result<v1::FirstFailure> BuildRecord(const walk::Kernel& kernel, const RecordOptions& options,
                                     Findings& findings) {
  v1::FirstFailure record;
  AddOptions(options, record);
  findings.Merge(kernel.source().findings());
  findings.Merge(kernel.findings());

  auto log = walk::ReadLog(kernel.memory(), kernel.vmcoreinfo(), findings);
  if (!log) {
    Missing(findings, "record.log.unreadable", log.error(), "the kernel log");
    log = std::vector<walk::LogRecord>();
  }
  AddSystem(kernel, log->empty() ? 0 : log->back().time_ns, record, findings);
  AddCpus(kernel, record, findings);
  AddTasks(kernel, options, NamedHungTask(*log), record, findings);
  AddModules(kernel, record, findings);
  AddCause(*log, record);
  AddLogTail(*log, options, record);
  AddCrashId(record, findings);
  if (log->empty() && record.cpus_size() == 0 && record.kernel().release().empty()) {
    return Fail(ErrorCode::kNotFound, "neither log, CPU notes nor the kernel's name can be read");
  }
  return Finish(std::move(record), options, findings);
}

Result<v1::FirstFailure> BuildRecordFromNotes(const source::MemorySource& source, const Error& why,
                                              const RecordOptions& options, Findings& findings) {
  v1::FirstFailure record;
  AddOptions(options, record);
  findings.Merge(source.findings());
  Missing(findings, "record.kernel.unreadable", why, "the kernel's memory");
  record.set_elf_machine(source.elf_machine());

  if (auto vmcoreinfo = space::Vmcoreinfo::FromSource(source, findings)) {
    record.mutable_kernel()->set_release(SafeText(vmcoreinfo->Text("OSRELEASE").value_or(""), 256));
    record.mutable_kernel()->set_build_id(SafeText(vmcoreinfo->Text("BUILD-ID").value_or(""), 128));
    record.mutable_kernel()->set_kaslr_offset(vmcoreinfo->Number("KERNELOFFSET").value_or(0));
    if (auto time = vmcoreinfo->Number("CRASHTIME"))
      record.mutable_clock()->set_crash_time_s(static_cast<int64_t>(*time));
  } else {
    Missing(findings, "record.vmcoreinfo.unreadable", vmcoreinfo.error(), "VMCOREINFO");
  }
  record.mutable_clock()->set_trust("From VMCOREINFO alone; uptime unknown.");
  auto arch = arch::FindArch(source.elf_machine(), source.word_bytes(), source.endian());
  if (arch) {
    record.mutable_kernel()->set_arch(std::string((*arch)->name));
    AddCpusFromNotes(source, **arch, record, findings);
  }
  if (record.kernel().release().empty() && record.cpus_size() == 0)
    return std::unexpected<Error>(why);
  AddCrashId(record, findings);
  return Finish(std::move(record), options, findings);
}

}  // namespace hmem::firstfailure
