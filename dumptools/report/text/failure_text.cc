// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/failure_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "dumptools/analyse/verdict.h"
#include "dumptools/report/text/pieces.h"

namespace hmem::report {
namespace {

constexpr int kLogLines = 40;
constexpr int kFirstFailureLines = 40;

std::string WhyText(const v1::FailureReport& report) {
  const v1::FirstFailure& failure = report.failure();
  const v1::Cause& cause = failure.cause();
  std::string out = "\n";
  out += Row("said", cause.oops_message());
  out += Row("panic", cause.panic_message());
  if (cause.has_location()) out += Row("where", FrameText(cause.location()));
  if (cause.fault_address_known()) out += Row("address", AddressText(cause.fault_address()));
  out += Row("context", cause.context());
  const bool found = analyse::FoundByAnother(failure);
  if (cause.has_location_task() && found) out += Row("task", TaskText(cause.location_task()));
  if (failure.has_crashed_task())
    out += Row(found ? "found by" : "task", TaskText(failure.crashed_task()));
  std::string when = DateText(failure.clock().crash_time_s());
  if (failure.clock().uptime_ns() > 0) {
    when += fmt::format(", {} after boot", DurationText(failure.clock().uptime_ns()));
  }
  out += Row("crashed", when);
  out += Row("kernel", failure.kernel().release());
  for (const std::string& sentence : cause.evidence())
    out += Row(&sentence == &cause.evidence(0) ? "because" : "", sentence);
  for (const std::string& sentence : report.where_to_look()) {
    out += Row(&sentence == &report.where_to_look(0) ? "look at" : "", sentence);
  }
  return out;
}

std::string FirstFailureText(const v1::FirstFailure& failure) {
  if (!failure.has_first_failure()) {
    if (!failure.log_start_lost()) return {};
    return Heading("FIRST FAILURE") +
           "  None in the log, but its beginning is overwritten: there may have been one.\n";
  }
  const v1::FirstFailureBlock& first = failure.first_failure();
  std::string out = Heading("FIRST FAILURE");
  const bool ring = first.origin() == v1::FirstFailureBlock::ORIGIN_RING;
  out += fmt::format("  {} {} after boot, from the kernel's {}", Printable(first.kind()),
                     DurationText(first.time_ns()), ring ? "failure ring" : "log");
  if (first.is_the_panic()) {
    out += ": the crash itself\n";
  } else if (failure.clock().uptime_ns() > first.time_ns()) {
    out += fmt::format(", {} before the crash\n",
                       DurationText(failure.clock().uptime_ns() - first.time_ns()));
  } else {
    out += "\n";
  }
  if (first.log_start_lost())
    out += "  The log's beginning is overwritten: there may have been an earlier one.\n";
  // The crash's own lines stand in the log's tail below.
  if (first.is_the_panic()) return out;
  const int shown = std::min(first.records_size(), kFirstFailureLines);
  for (int i = 0; i < shown; ++i) out += fmt::format("  {}\n", LogLineText(first.records(i)));
  if (shown < first.records_size())
    out += fmt::format("  ... {} more lines\n", first.records_size() - shown);
  return out;
}

std::string CpuWords(const v1::Cpu& cpu) {
  return fmt::format("CPU {}, {}", cpu.number(),
                     cpu.has_current() ? TaskText(cpu.current()) : std::string("task unknown"));
}

// Number of the failing frame; -1: it is in another stack.
int MarkOn(const v1::FirstFailure& failure, const v1::Cpu& cpu) {
  const v1::Cause& cause = failure.cause();
  if (cause.location_stack() != v1::Cause::LOCATION_STACK_CPU ||
      cause.location_cpu() != cpu.number()) {
    return -1;
  }
  return static_cast<int>(cause.location_frame());
}

int MarkOn(const v1::FirstFailure& failure, const v1::BlockedTask& blocked) {
  const v1::Cause& cause = failure.cause();
  if (cause.location_stack() != v1::Cause::LOCATION_STACK_BLOCKED_TASK ||
      cause.location_task().pid() != blocked.task().pid()) {
    return -1;
  }
  return static_cast<int>(cause.location_frame());
}

std::string_view OriginText(v1::Cpu::RegistersOrigin origin) {
  switch (origin) {
    case v1::Cpu::REGISTERS_ORIGIN_FILE_BY_PID:
      return "registers of the dump file's note with this pid";
    case v1::Cpu::REGISTERS_ORIGIN_FILE_IN_ORDER:
      return "registers of the dump file's notes in their order; they may be another CPU's";
    default:
      return {};
  }
}

std::string OriginLine(const v1::Cpu& cpu, std::string_view indent) {
  const std::string_view text = OriginText(cpu.registers_origin());
  return text.empty() ? std::string() : fmt::format("{}({})\n", indent, text);
}

// The stack that failed, where the crashed CPU only found it out.
std::string FailingStackText(const v1::FirstFailure& failure) {
  for (const v1::Cpu& cpu : failure.cpus()) {
    if (cpu.crashed() || MarkOn(failure, cpu) < 0) continue;
    return Heading("FAILING STACK: " + CpuWords(cpu)) + OriginLine(cpu, "  ") +
           StackText(cpu.stack(), "  ", MarkOn(failure, cpu));
  }
  for (const v1::BlockedTask& blocked : failure.blocked_tasks()) {
    if (MarkOn(failure, blocked) < 0) continue;
    return Heading(fmt::format("FAILING STACK: {}, blocked", TaskText(blocked.task()))) +
           StackText(blocked.stack(), "  ", MarkOn(failure, blocked));
  }
  return {};
}

// The failing function on top; how the kernel died is one line below.
std::string CrashedCpuText(const v1::FirstFailure& failure) {
  std::string out;
  for (const v1::Cpu& cpu : failure.cpus()) {
    if (!cpu.crashed()) continue;
    out += Heading("CRASHING STACK: " + CpuWords(cpu)) + OriginLine(cpu, "  ");
    int first = 0;
    std::string machinery;
    for (; first < cpu.stack().frames_size() && cpu.stack().frames(first).machinery(); ++first) {
      const v1::Frame& frame = cpu.stack().frames(first);
      if (!machinery.empty()) machinery += " < ";
      machinery += frame.symbol().empty() ? AddressText(frame.pc()) : Printable(frame.symbol());
    }
    out += StackText(cpu.stack(), "  ", MarkOn(failure, cpu), first);
    if (!machinery.empty()) out += fmt::format("  above it, the kernel dying: {}\n", machinery);
    if (cpu.registers_size() > 0) out += "\n" + RegistersText(cpu.registers(), "  ");
  }
  return out;
}

std::string OtherCpusText(const v1::FirstFailure& failure) {
  std::string out;
  for (const v1::Cpu& cpu : failure.cpus()) {
    if (cpu.crashed()) continue;
    if (out.empty()) out = Heading("OTHER CPUS");
    out += fmt::format("  CPU {}: {}{}\n", cpu.number(),
                       cpu.has_current() ? TaskText(cpu.current()) : std::string("task unknown"),
                       cpu.online() ? "" : ", offline");
    out += OriginLine(cpu, "    ") + StackText(cpu.stack(), "    ", MarkOn(failure, cpu));
  }
  return out;
}

std::string BlockedText(const v1::FirstFailure& failure) {
  if (failure.blocked_task_count() == 0 && failure.blocked_tasks_size() == 0) return {};
  std::string out =
      Heading(fmt::format("BLOCKED TASKS (state D): {}", failure.blocked_task_count()));
  for (const v1::BlockedTask& blocked : failure.blocked_tasks()) {
    out += fmt::format("  {}\n", TaskText(blocked.task()));
    out += StackText(blocked.stack(), "    ", MarkOn(failure, blocked));
  }
  return out;
}

std::string LogTailText(const v1::FirstFailure& failure) {
  if (failure.log_tail_size() == 0) return {};
  const int begin = std::max(0, failure.log_tail_size() - kLogLines);
  const uint64_t before = failure.log_records_omitted() + static_cast<uint64_t>(begin);
  std::string out = Heading(
      before == 0 ? "LOG"
                  : fmt::format("LOG: the last {} records of {}", failure.log_tail_size() - begin,
                                failure.log_tail_size() + failure.log_records_omitted()));
  for (int i = begin; i < failure.log_tail_size(); ++i)
    out += fmt::format("  {}\n", LogLineText(failure.log_tail(i)));
  return out;
}

std::string ModulesText(const v1::FirstFailure& failure) {
  if (failure.modules_size() == 0) return {};
  std::string out = Heading(fmt::format("MODULES: {}", failure.modules_size()));
  std::string plain;
  for (const v1::Module& module : failure.modules()) {
    if (!module.taint().empty()) {
      out +=
          fmt::format("  {} ({}) {}{}\n", Printable(module.name()), Printable(module.taint()),
                      BytesText(module.size_bytes()),
                      module.version().empty() ? "" : ", version " + Printable(module.version()));
      continue;
    }
    const size_t line = plain.rfind('\n') == std::string::npos ? 0 : plain.rfind('\n') + 1;
    if (plain.size() - line + module.name().size() > 90) plain += "\n ";
    plain += " " + Printable(module.name());
  }
  if (!plain.empty()) out += fmt::format(" {}\n", plain);
  return out;
}

std::string FingerprintText(const v1::Fingerprint& fingerprint) {
  if (fingerprint.value().empty()) return {};
  return fmt::format("{} (rule {})", fingerprint.value(), fingerprint.algorithm());
}

std::string SystemText(const v1::FirstFailure& failure) {
  std::string out = Heading("SYSTEM");
  const v1::KernelIdentity& kernel = failure.kernel();
  out += Row("kernel", kernel.banner().empty() ? kernel.release() : kernel.banner());
  out += Row("build id", kernel.build_id());
  out += Row("taint", kernel.taint().empty() ? "none" : kernel.taint());
  out += Row("command line", kernel.command_line());
  out += Row("node", kernel.node_name());
  if (failure.memory().ram_bytes() > 0) {
    std::string memory = BytesText(failure.memory().ram_bytes());
    if (failure.memory().total_pages() > 0) {
      memory +=
          fmt::format(", {} managed, {} free, {} slab",
                      BytesText(failure.memory().total_pages() * failure.memory().page_bytes()),
                      BytesText(failure.memory().free_pages() * failure.memory().page_bytes()),
                      BytesText(failure.memory().slab_pages() * failure.memory().page_bytes()));
    }
    out += Row("memory", memory);
  }
  if (failure.cpus_possible() > 0) {
    out += Row("CPUs", fmt::format("{} online of {} possible", failure.cpus_online(),
                                   failure.cpus_possible()));
  }
  if (failure.task_count() > 0) out += Row("tasks", fmt::format("{}", failure.task_count()));
  out += Row("clock", failure.clock().trust());
  out += Row("crash id", failure.identity().crash_id());
  out += Row("fingerprint", FingerprintText(failure.cause().fingerprint()));
  out += Row("boot id", failure.identity().boot_id());
  out += Row("host id", failure.identity().host_id());
  out += Row("arm id", failure.identity().arm_id());
  for (const v1::Label& label : failure.identity().labels()) {
    out += Row("label", fmt::format("{}={}", label.key(), label.value()));
  }
  return out;
}

std::string TimelineText(const v1::FirstFailure& failure) {
  if (failure.timeline_size() == 0) return {};
  std::string out = Heading("CAPTURE");
  for (const v1::TimelineEvent& event : failure.timeline()) {
    out += fmt::format("  {:>14}  {}\n", DurationText(event.capture_uptime_ns()),
                       Printable(event.name()));
  }
  return out;
}

std::string_view DumpStateText(v1::DumpState::State state) {
  switch (state) {
    case v1::DumpState::STATE_COMPLETE:
      return "complete";
    case v1::DumpState::STATE_INCOMPLETE:
      return "incomplete";
    case v1::DumpState::STATE_NONE:
      return "none";
    default:
      return "not written yet when the record was made";
  }
}

std::string FilesText(const v1::FailureReport& report) {
  std::string out = Heading("FILES");
  out += Row("record", report.record_path());
  const v1::DumpState& known = report.failure().dump();
  if (!report.dump_path().empty()) {
    out += Row("dump",
               fmt::format("{} ({})", report.dump_path(), DumpStateText(report.dump().state())));
  } else if (known.state() == v1::DumpState::STATE_NONE) {
    out += Row("dump", "none was asked for");
  } else if (!known.path().empty()) {
    out += Row("dump",
               fmt::format("{} on the target ({})", known.path(), DumpStateText(known.state())));
  }
  out +=
      Row("made by", report.rebuilt() ? "this hmemscope, from the dump" : report.failure().tool());
  out += Row("JSON", fmt::format("hmemscope report --json {}", report.origin().path()));
  return out;
}

}  // namespace

std::string Text(const v1::FailureReport& report) {
  const v1::FirstFailure& failure = report.failure();
  std::string out = Printable(report.verdict()) + "\n";
  if (!report.origin().complete()) out += "(the dump is incomplete; see FINDINGS)\n";
  out += WhyText(report);
  out += FailingStackText(failure);
  out += CrashedCpuText(failure);
  out += FirstFailureText(failure);
  out += OtherCpusText(failure);
  out += BlockedText(failure);
  out += LogTailText(failure);
  out += ModulesText(failure);
  out += SystemText(failure);
  out += TimelineText(failure);
  out += FindingsText(failure.findings());
  out += FilesText(report);
  return out;
}

}  // namespace hmem::report
