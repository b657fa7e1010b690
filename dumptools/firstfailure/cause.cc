// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/cause.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

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
      auto text = PanicText(log_[i - 1].text);
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
      auto said = ClassifyLine(log_[i - 1].text);
      if (said && !PanicText(log_[i - 1].text) && accept(*said)) return i - 1;
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
      const std::string& text = log_[i - 1].text;
      auto said = ClassifyLine(text);
      if (IsEndTrace(text)) break;
      if (said && said->oops) best = i - 1;
      if (IsCutHere(text)) break;
    }
    return best;
  }

  void TakeLine(size_t index, Cause::Kind kind) {
    result_.failure_record = index;
    cause().set_oops_message(FirstLine(log_[index].text));
    if (kind != Cause::KIND_UNSPECIFIED) cause().set_kind(kind);
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
      } else if (auto oops = LastOops(end)) {
        TakeLine(*oops, ClassifyLine(log_[*oops].text)->kind);
        Evidence("The last oops in the log comes right before the crash.");
      } else if (crashed_ != nullptr || result_.panic_record) {
        cause().set_kind(Cause::KIND_PANIC);
        Evidence("The log holds no oops and no line that tells the reason.");
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
    location_stack_ = &cpu.stack();
    location_frame_ = frame;
    if (&cpu == crashed_) result_.machinery_frames = frame;
    Evidence(std::move(how));
  }

  void FindLocation() {
    const Cause::Kind kind = cause().kind();
    if (kind == Cause::KIND_HARD_LOCKUP && LocateLockedUpCpu()) return;
    if (kind == Cause::KIND_HUNG_TASK && LocateHungTask()) return;
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

  // One CPU may panic over another that no longer answers.
  bool LocateLockedUpCpu() {
    if (!result_.failure_record) return false;
    auto number = LockupCpu(log_[*result_.failure_record].text);
    const v1::Cpu* cpu = number ? CpuNumber(*number) : nullptr;
    if (cpu == nullptr || cpu == crashed_) return false;
    auto frame = FirstLivingFrame(cpu->stack());
    if (!frame) return false;
    LocateOn(*cpu, *frame, fmt::format("The log names CPU {} as the one that was stuck.", *number));
    return true;
  }

  bool LocateHungTask() {
    if (!result_.failure_record) return false;
    auto pid = HungTaskPid(log_[*result_.failure_record].text);
    if (!pid) return false;
    for (const v1::BlockedTask& blocked : record_.blocked_tasks()) {
      if (blocked.task().pid() != *pid) continue;
      auto frame = FirstWaitingFrame(blocked.stack());
      if (!frame) return false;
      *cause().mutable_location() = blocked.stack().frames(static_cast<int>(*frame));
      cause().set_context("task");
      cause().set_location_cpu(blocked.task().cpu());
      Evidence(fmt::format("The location is what the blocked task {} waits in.", *pid));
      return true;
    }
    return false;
  }

  void LocateFromLog() {
    if (!result_.failure_record) return;
    for (size_t i = *result_.failure_record;
         i < log_.size() && i - *result_.failure_record < kOopsReportRecords; ++i) {
      auto location = LocationInLine(log_[i].text);
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
        kind != Cause::KIND_STACK_OVERFLOW && kind != Cause::KIND_SYSRQ) {
      return;
    }
    auto address = FaultAddress(log_[*result_.failure_record].text);
    for (size_t i = *result_.failure_record + 1;
         !address && kind == Cause::KIND_BAD_POINTER && i < log_.size() &&
         i - *result_.failure_record < kOopsReportRecords;
         ++i) {
      if (size_t at = log_[i].text.find("CR2: "); at != std::string::npos)
        address = FaultAddress(log_[i].text);
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
      std::string_view text = log_[i].text;
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

}  // namespace hmem::firstfailure
