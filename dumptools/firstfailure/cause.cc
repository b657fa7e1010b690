// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/cause.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/firstfailure/failure_line.h"
#include "dumptools/firstfailure/stack_reading.h"

namespace hmem::firstfailure {
namespace {

using Cause = v1::Cause;

// How far before the panic the line that explains it may stand: a report of blocked tasks or of
// memory can be long.
constexpr size_t kMaxRecordsBack = 4096;
// Records of an oops report behind its first line that are searched for "RIP:" and "CR2:".
constexpr size_t kOopsReportRecords = 96;
// Lines of other CPUs and drivers that may stand in and behind the last report before the crash.
constexpr size_t kMaxStrangeLines = 16;
// Records behind "detected stalls on CPUs/tasks:" that may list CPUs.
constexpr size_t kStallRecords = 64;
constexpr size_t kMaxMessageBytes = 1024;

std::string FirstLine(std::string_view text) {
  return SafeText(text.substr(0, text.find('\n')), kMaxMessageBytes);
}

class Reasoning {
 public:
  Reasoning(std::span<const walk::LogRecord> log, const v1::FirstFailure& record)
      : log_(log), record_(record) {
    for (const v1::Cpu& cpu : record.cpus()) {
      if (cpu.crashed()) crashed_ = &cpu;
    }
  }

  CauseResult Run() {
    cause().set_location_cpu(record_.crashed_cpu());
    ReadStack();
    FindPanicLine();
    FindKind();
    FindLocation();
    FindFaultAddress();
    FindContext();
    return std::move(result_);
  }

 private:
  Cause& cause() { return result_.cause; }
  void Evidence(std::string sentence) { cause().add_evidence(std::move(sentence)); }
  std::string_view Line(size_t index) const { return KernelText(log_[index]); }
  bool HasStack() const { return crashed_ != nullptr && crashed_->stack().frames_size() > 0; }

  void ReadStack() {
    if (!HasStack()) return;
    for (const v1::Frame& frame : crashed_->stack().frames()) {
      if (IsPanicFrame(frame)) {
        panic_called_ = true;
        break;
      }
    }
  }

  void FindPanicLine() {
    for (size_t i = log_.size(); i > 0 && log_.size() - i < kMaxRecordsBack; --i) {
      auto text = PanicText(Line(i - 1));
      if (!text) continue;
      result_.panic_record = i - 1;
      cause().set_panic_message(FirstLine(*text));
      Evidence("The log holds the panic line.");
      return;
    }
  }

  // The last line before `end` that `accept` takes.
  template <typename Accept>
  std::optional<size_t> LastLine(size_t end, Accept accept) const {
    for (size_t i = end; i > 0 && end - i < kMaxRecordsBack; --i) {
      auto said = ClassifyLine(Line(i - 1));
      if (said && !PanicText(Line(i - 1)) && accept(*said)) return i - 1;
    }
    return std::nullopt;
  }

  // The line of one oops that tells most: "BUG: ..." or "kernel BUG at" stands just above "Oops:
  // 0002 [#1]" or "invalid opcode: 0000 [#1]".
  std::optional<size_t> LastOops(size_t end) const {
    constexpr size_t kHeadline = 16;
    auto last = LastLine(end, [](const FailureLine& line) { return line.oops; });
    if (!last) return std::nullopt;
    size_t best = *last;
    for (size_t i = *last; i > 0 && *last - i < kHeadline; --i) {
      const std::string_view text = Line(i - 1);
      auto said = ClassifyLine(text);
      if (IsEndTrace(text)) break;
      if (said && said->oops) best = i - 1;
      if (IsCutHere(text)) break;
    }
    return best;
  }

  void TakeLine(size_t index, Cause::Kind kind) {
    result_.failure_record = index;
    cause().set_oops_message(FirstLine(Line(index)));
    if (kind != Cause::KIND_UNSPECIFIED) cause().set_kind(kind);
  }

  // Nothing but the report itself, up to a few lines of others, stands between it and `end`.
  bool IsLastReport(size_t oops, size_t end) const {
    size_t strange = 0;
    for (size_t i = oops; i < end; ++i) {
      const std::string_view text = Line(i);
      if (auto said = ClassifyLine(text)) {
        if (!said->oops) return false;
      } else if (!IsTraceLine(text) && !IsCutHere(text) && !IsEndTrace(text) &&
                 ++strange > kMaxStrangeLines) {
        return false;
      }
    }
    return true;
  }

  // The report's CPU and instruction pointer are those of the crashed CPU.
  bool TellsOfCrashedStack(size_t oops, size_t end) const {
    if (!HasStack()) return false;
    const auto living = FirstLivingFrame(crashed_->stack());
    if (!living) return false;
    const v1::Frame& frame = crashed_->stack().frames(static_cast<int>(*living));
    bool same_function = false;
    for (size_t i = oops; i < end && i - oops < kOopsReportRecords; ++i) {
      if (auto cpu = ReportCpu(Line(i)); cpu && *cpu != crashed_->number()) return false;
      if (auto location = LocationInLine(Line(i)); location && !same_function) {
        same_function =
            WithoutCompilerSuffix(location->symbol) == WithoutCompilerSuffix(frame.symbol()) &&
            location->module == frame.module();
      }
    }
    return same_function;
  }

  // The line of an oops that this crash came of.
  std::optional<size_t> OopsOfCrash(size_t end) {
    // Without a panic line, a crashed CPU or a crash time there may have been no crash at all.
    if (crashed_ == nullptr && !result_.panic_record && record_.clock().crash_time_s() == 0)
      return std::nullopt;
    auto oops = LastOops(end);
    if (!oops) return std::nullopt;
    if (IsLastReport(*oops, end)) {
      Evidence("The last oops in the log comes right before the crash.");
      return oops;
    }
    // die() says so of the exception that it has just reported.
    if (cause().panic_message().starts_with("Fatal exception")) {
      Evidence("The panic line says that an exception was fatal; the last oops before it is it.");
      return oops;
    }
    if (TellsOfCrashedStack(*oops, end)) {
      Evidence("The last oops in the log names the function that the crashed CPU was in.");
      return oops;
    }
    Evidence("The log holds an older oops; it goes on behind it, so that is not this crash.");
    return std::nullopt;
  }

  void FindKind() {
    Cause::Kind said = Cause::KIND_UNSPECIFIED;
    const size_t end = result_.panic_record.value_or(log_.size());
    if (result_.panic_record) {
      said = KindOfPanicText(cause().panic_message());
      cause().set_kind(said);
    }
    // An exception that goes straight into the crash kernel never reaches panic(): no panic line,
    // no panic() on the stack. "Fatal exception" is what panic() says of an exception.
    const bool panic_explains_itself = result_.panic_record && said != Cause::KIND_UNSPECIFIED;
    if (!panic_explains_itself) {
      if (panic_called_ && !result_.panic_record) {
        cause().set_kind(Cause::KIND_PANIC);
        Evidence("The crashed CPU's stack goes through panic(), but the log has no panic line.");
      } else if (auto oops = OopsOfCrash(end)) {
        TakeLine(*oops, ClassifyLine(Line(*oops))->kind);
      } else if (crashed_ != nullptr || result_.panic_record) {
        cause().set_kind(Cause::KIND_PANIC);
        Evidence("The log holds no line that tells the reason.");
      }
    } else if (said != Cause::KIND_SYSRQ) {
      if (auto line = LastLine(end, [&](const FailureLine& l) {
            return said == Cause::KIND_INIT_DIED || said == Cause::KIND_PANIC ? false
                                                                              : l.kind == said;
          })) {
        TakeLine(*line, Cause::KIND_UNSPECIFIED);
        Evidence("A line of the same kind stands before the panic line.");
      }
    }
  }

  const v1::Cpu* CpuNumber(uint32_t number) const {
    for (const v1::Cpu& cpu : record_.cpus()) {
      if (cpu.number() == number) return &cpu;
    }
    return nullptr;
  }

  void LocateOn(const v1::Cpu& cpu, size_t frame, std::string how) {
    *cause().mutable_location() = cpu.stack().frames(static_cast<int>(frame));
    cause().set_location_cpu(cpu.number());
    cause().set_location_stack(Cause::LOCATION_STACK_CPU);
    cause().set_location_frame(static_cast<uint32_t>(frame));
    if (cpu.has_current()) *cause().mutable_location_task() = cpu.current();
    location_stack_ = &cpu.stack();
    location_frame_ = frame;
    if (&cpu == crashed_) result_.machinery_frames = frame;
    Evidence(std::move(how));
  }

  void FindLocation() {
    const Cause::Kind kind = cause().kind();
    // Where the log names another CPU or task, the crashed CPU only found it out.
    if (kind == Cause::KIND_HARD_LOCKUP && LocateLockedUpCpu()) return;
    if (kind == Cause::KIND_RCU_STALL && LocateStalledCpu()) return;
    if (kind == Cause::KIND_HUNG_TASK) return LocateHungTask();
    if (HasStack()) {
      const v1::Stack& stack = crashed_->stack();
      // What a watchdog, an NMI or a machine check came upon is the suspect, not the handler.
      const bool came_upon = kind == Cause::KIND_SOFT_LOCKUP || kind == Cause::KIND_HARD_LOCKUP ||
                             kind == Cause::KIND_RCU_STALL || kind == Cause::KIND_NMI ||
                             kind == Cause::KIND_MACHINE_CHECK;
      if (came_upon) {
        if (auto frame = FirstInterruptedFrame(stack)) {
          LocateOn(*crashed_, *frame, "The location is what the crashed CPU was interrupted in.");
          return;
        }
      }
      if (auto frame = FirstLivingFrame(stack)) {
        if (*frame > 0 && stack.frames(0).symbol().empty() && stack.frames(0).exact()) {
          Evidence(fmt::format(
              "Execution was at {:#x}, which is no kernel code; the caller is named instead.",
              stack.frames(0).pc()));
        }
        if (WithoutCompilerSuffix(stack.frames(static_cast<int>(*frame)).symbol()) ==
            "sysrq_handle_crash") {
          cause().set_kind(Cause::KIND_SYSRQ);
        }
        LocateOn(*crashed_, *frame,
                 *frame == 0
                     ? "The crashed CPU's registers are those of the failing code."
                     : "The location is the first frame below the kernel's panic and oops code.");
        return;
      }
    }
    LocateFromLog();
  }

  // True: `number` is another than the crashed CPU, and is what is to blame.
  bool LocateOtherCpu(uint32_t number, std::string_view what) {
    const v1::Cpu* cpu = CpuNumber(number);
    if (cpu == crashed_ && cpu != nullptr) return false;
    auto frame = cpu == nullptr ? std::nullopt : FirstLivingFrame(cpu->stack());
    if (frame) {
      LocateOn(*cpu, *frame, fmt::format("The log names CPU {} as the one that {}.", number, what));
    } else {
      cause().set_location_cpu(number);
      if (cpu != nullptr && cpu->has_current()) *cause().mutable_location_task() = cpu->current();
      Evidence(fmt::format("The log names CPU {} as the one that {}; its stack is not known.",
                           number, what));
    }
    return true;
  }

  // One CPU may panic over another that no longer answers.
  bool LocateLockedUpCpu() {
    if (!result_.failure_record) return false;
    auto number = LockupCpu(Line(*result_.failure_record));
    return number && LocateOtherCpu(*number, "was stuck");
  }

  bool LocateStalledCpu() {
    if (!result_.failure_record) return false;
    std::vector<uint32_t> stalled;
    for (size_t i = *result_.failure_record;
         i < log_.size() && i - *result_.failure_record < kStallRecords; ++i) {
      for (uint32_t cpu : StalledCpus(Line(i))) stalled.push_back(cpu);
    }
    if (stalled.empty()) return false;
    // A CPU that finds itself stalled is the one that reports it.
    if (crashed_ != nullptr && std::ranges::find(stalled, crashed_->number()) != stalled.end())
      return false;
    return LocateOtherCpu(stalled.front(), "stalled");
  }

  // The crashed CPU ran khungtaskd, which is never to blame.
  void LocateHungTask() {
    std::optional<NamedTask> named;
    if (result_.failure_record) named = HungTask(Line(*result_.failure_record));
    if (!named) return Evidence("The log does not name the blocked task.");
    for (const v1::BlockedTask& blocked : record_.blocked_tasks()) {
      if (blocked.task().pid() != named->pid) continue;
      *cause().mutable_location_task() = blocked.task();
      cause().set_location_cpu(blocked.task().cpu());
      cause().set_context("task");
      auto frame = FirstWaitingFrame(blocked.stack());
      if (!frame) break;
      *cause().mutable_location() = blocked.stack().frames(static_cast<int>(*frame));
      cause().set_location_stack(Cause::LOCATION_STACK_BLOCKED_TASK);
      cause().set_location_frame(static_cast<uint32_t>(*frame));
      Evidence(fmt::format("The location is what the blocked task {} waits in.", named->pid));
      return;
    }
    if (!cause().has_location_task()) {
      cause().mutable_location_task()->set_pid(named->pid);
      cause().mutable_location_task()->set_comm(SafeText(named->comm, 64));
    }
    Evidence(fmt::format("The log names the blocked task {}; its stack is not known.", named->pid));
  }

  void LocateFromLog() {
    if (!result_.failure_record) return;
    for (size_t i = *result_.failure_record;
         i < log_.size() && i - *result_.failure_record < kOopsReportRecords; ++i) {
      auto location = LocationInLine(Line(i));
      if (!location) continue;
      v1::Frame& frame = *cause().mutable_location();
      frame.set_symbol(SafeText(location->symbol, 512));
      frame.set_module(SafeText(location->module, 64));
      frame.set_offset(location->offset);
      frame.set_symbol_size(location->size);
      frame.set_exact(true);
      Evidence("No stack could be read; the location is the one the log names.");
      return;
    }
  }

  void FindFaultAddress() {
    if (!result_.failure_record) return;
    const Cause::Kind kind = cause().kind();
    if (kind != Cause::KIND_BAD_POINTER && kind != Cause::KIND_GENERAL_PROTECTION &&
        kind != Cause::KIND_STACK_OVERFLOW) {
      return;
    }
    auto address = FaultAddress(Line(*result_.failure_record));
    for (size_t i = *result_.failure_record + 1;
         !address && kind == Cause::KIND_BAD_POINTER && i < log_.size() &&
         i - *result_.failure_record < kOopsReportRecords;
         ++i) {
      if (Line(i).find("CR2: ") != std::string_view::npos) address = FaultAddress(Line(i));
    }
    if (!address) return;
    cause().set_fault_address(*address);
    cause().set_fault_address_known(true);
  }

  void FindContext() {
    if (!cause().context().empty()) return;
    if (location_stack_ != nullptr) {
      cause().set_context(ContextOf(*location_stack_, location_frame_));
      if (!cause().context().empty()) {
        Evidence(fmt::format("The frames below the location show {} context.", cause().context()));
        return;
      }
    }
    if (cause().panic_message().starts_with("Fatal exception in interrupt")) {
      cause().set_context("hard interrupt");
      Evidence("The panic line says interrupt context.");
      return;
    }
    if (!result_.failure_record) return;
    // The first context mark of the report's own trace.
    for (size_t i = *result_.failure_record;
         i < log_.size() && i - *result_.failure_record < kOopsReportRecords; ++i) {
      std::string_view text = Line(i);
      size_t mark = text.find_first_not_of(' ');
      if (mark == std::string_view::npos) continue;
      text.remove_prefix(mark);
      std::string_view context = text.starts_with("<NMI>")       ? "nmi"
                                 : text.starts_with("<IRQ>")     ? "hard interrupt"
                                 : text.starts_with("<SOFTIRQ>") ? "soft interrupt"
                                 : text.starts_with("<TASK>")    ? "task"
                                                                 : "";
      if (context.empty()) continue;
      cause().set_context(std::string(context));
      Evidence("The context is the one the log's own trace marks.");
      return;
    }
  }

  std::span<const walk::LogRecord> log_;
  const v1::FirstFailure& record_;
  const v1::Cpu* crashed_ = nullptr;
  bool panic_called_ = false;
  const v1::Stack* location_stack_ = nullptr;
  size_t location_frame_ = 0;
  CauseResult result_;
};

}  // namespace

CauseResult FindCause(std::span<const walk::LogRecord> log, const v1::FirstFailure& record) {
  return Reasoning(log, record).Run();
}

CauseResult SetCause(std::span<const walk::LogRecord> log, v1::FirstFailure& record) {
  CauseResult found = FindCause(log, record);
  *record.mutable_cause() = found.cause;
  for (v1::Cpu& cpu : *record.mutable_cpus()) {
    if (!cpu.crashed()) continue;
    for (size_t i = 0; i < found.machinery_frames; ++i)
      cpu.mutable_stack()->mutable_frames(static_cast<int>(i))->set_machinery(true);
  }
  return found;
}

const v1::Stack* LocationStack(const v1::FirstFailure& record) {
  const Cause& cause = record.cause();
  if (cause.location_stack() == Cause::LOCATION_STACK_CPU) {
    for (const v1::Cpu& cpu : record.cpus()) {
      if (cpu.number() == cause.location_cpu()) return &cpu.stack();
    }
  }
  if (cause.location_stack() == Cause::LOCATION_STACK_BLOCKED_TASK) {
    for (const v1::BlockedTask& blocked : record.blocked_tasks()) {
      if (blocked.task().pid() == cause.location_task().pid()) return &blocked.stack();
    }
  }
  return nullptr;
}

std::optional<int32_t> NamedHungTask(std::span<const walk::LogRecord> log) {
  for (size_t i = log.size(); i > 0 && log.size() - i < kMaxRecordsBack; --i) {
    if (auto named = HungTask(KernelText(log[i - 1]))) return named->pid;
  }
  return std::nullopt;
}

}  // namespace hmem::firstfailure
