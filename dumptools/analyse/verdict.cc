// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/analyse/verdict.h"

#include <fmt/format.h>

#include <set>

namespace hmem::analyse {
namespace {

constexpr uint64_t kPageBytes = 4096;
// Below this an address is an offset into a structure behind a null pointer.
constexpr uint64_t kNullRegion = 16 * kPageBytes;
constexpr uint64_t kListPoison1 = 0xdead000000000100;
constexpr uint64_t kListPoison2 = 0xdead000000000122;
constexpr uint64_t kSlabPoison = 0x6b6b6b6b6b6b6b6b;

std::string FrameWords(const v1::Frame& frame) {
  if (frame.symbol().empty()) return fmt::format("{:#x}", frame.pc());
  std::string words = fmt::format("{}+{:#x}", frame.symbol(), frame.offset());
  if (!frame.module().empty()) words += fmt::format(" [{}]", frame.module());
  return words;
}

std::string TaskWords(const v1::Task& task) {
  return fmt::format("{} (pid {})", task.comm().empty() ? "?" : task.comm(), task.pid());
}

std::string AddressWords(const v1::Cause& cause) {
  if (!cause.fault_address_known()) return "";
  if (cause.fault_address() == 0) return " NULL";
  return fmt::format(" {:#x}", cause.fault_address());
}

// The CPU went to the address instead of reading or writing there.
bool WasExecuted(const v1::FirstFailure& failure) {
  for (const v1::Cpu& cpu : failure.cpus()) {
    if (!cpu.crashed()) continue;
    for (const v1::Frame& frame : cpu.stack().frames()) {
      if (frame.exact() && frame.pc() == failure.cause().fault_address()) return true;
    }
  }
  return false;
}

void LookAtAddress(const v1::FirstFailure& failure, std::vector<std::string>& out) {
  const v1::Cause& cause = failure.cause();
  if (!cause.fault_address_known()) return;
  const uint64_t address = cause.fault_address();
  if (WasExecuted(failure)) {
    out.push_back(address < kNullRegion
                      ? std::string("A function pointer that is NULL was called.")
                      : fmt::format("Execution went to {:#x}, which is no code: a function "
                                    "pointer or a return address was bad.",
                                    address));
  } else if (address < kNullRegion) {
    out.push_back(fmt::format(
        "The address {:#x} is a member at that offset of a structure whose pointer is NULL.",
        address));
  } else if (address / kPageBytes == kListPoison1 / kPageBytes || address == kListPoison2) {
    out.push_back(fmt::format(
        "The address {:#x} is list poison: an entry was used after list_del().", address));
  } else if ((address ^ kSlabPoison) < kPageBytes) {
    out.push_back(
        fmt::format("The address {:#x} is slab poison: memory was used after kfree().", address));
  }
}

}  // namespace

std::string_view KindWords(v1::Cause::Kind kind) {
  switch (kind) {
    case v1::Cause::KIND_PANIC:
      return "panic";
    case v1::Cause::KIND_BAD_POINTER:
      return "bad pointer";
    case v1::Cause::KIND_BUG:
      return "BUG";
    case v1::Cause::KIND_SYSRQ:
      return "crash asked for by sysrq";
    case v1::Cause::KIND_SOFT_LOCKUP:
      return "soft lockup";
    case v1::Cause::KIND_HARD_LOCKUP:
      return "hard lockup";
    case v1::Cause::KIND_HUNG_TASK:
      return "hung task";
    case v1::Cause::KIND_OUT_OF_MEMORY:
      return "out of memory";
    case v1::Cause::KIND_MACHINE_CHECK:
      return "machine check";
    case v1::Cause::KIND_GENERAL_PROTECTION:
      return "general protection fault";
    case v1::Cause::KIND_DIVIDE_ERROR:
      return "divide error";
    case v1::Cause::KIND_INVALID_OPCODE:
      return "invalid opcode";
    case v1::Cause::KIND_STACK_OVERFLOW:
      return "stack overflow";
    case v1::Cause::KIND_NMI:
      return "NMI";
    case v1::Cause::KIND_RCU_STALL:
      return "RCU stall";
    case v1::Cause::KIND_STACK_CORRUPTION:
      return "stack corruption";
    case v1::Cause::KIND_WARNING:
      return "warning made fatal";
    case v1::Cause::KIND_INIT_DIED:
      return "init died";
    default:
      return "failure of unknown kind";
  }
}

bool FoundByAnother(const v1::FirstFailure& failure) {
  const v1::Cause& cause = failure.cause();
  return cause.kind() == v1::Cause::KIND_HUNG_TASK ||
         ((cause.kind() == v1::Cause::KIND_HARD_LOCKUP ||
           cause.kind() == v1::Cause::KIND_RCU_STALL) &&
          cause.location_cpu() != failure.crashed_cpu());
}

std::string Verdict(const v1::FirstFailure& failure) {
  const v1::Cause& cause = failure.cause();
  std::string line(KindWords(cause.kind()));
  line += AddressWords(cause);
  if (cause.has_location()) line += " in " + FrameWords(cause.location());
  if (!cause.context().empty() && cause.context() != "task")
    line += fmt::format(", {} context", cause.context());
  bool cpu_known = false;
  for (const v1::Cpu& cpu : failure.cpus()) cpu_known = cpu_known || cpu.crashed();
  std::string finder;
  if (failure.has_crashed_task()) finder = TaskWords(failure.crashed_task());
  if (cpu_known)
    finder += fmt::format("{}CPU {}", finder.empty() ? "" : " on ", failure.crashed_cpu());
  if (FoundByAnother(failure)) {
    if (cause.has_location_task()) line += ", task " + TaskWords(cause.location_task());
    if (cause.kind() != v1::Cause::KIND_HUNG_TASK)
      line += fmt::format(", CPU {}", cause.location_cpu());
    if (!finder.empty()) line += ", found by " + finder;
    return line;
  }
  if (failure.has_crashed_task()) line += ", task " + TaskWords(failure.crashed_task());
  if (cpu_known) line += fmt::format(", CPU {}", failure.crashed_cpu());
  return line;
}

std::vector<std::string> WhereToLook(const v1::FirstFailure& failure) {
  std::vector<std::string> out;
  const v1::Cause& cause = failure.cause();
  if (failure.has_first_failure() && !failure.first_failure().is_the_panic()) {
    out.push_back(
        fmt::format("An earlier failure ({}) is in the log; the crash may be its consequence.",
                    failure.first_failure().kind()));
  }
  LookAtAddress(failure, out);
  if (!cause.location().module().empty()) {
    for (const v1::Module& module : failure.modules()) {
      if (module.name() != cause.location().module()) continue;
      std::string sentence = fmt::format("The failing code is in module {}", module.name());
      if (!module.version().empty()) sentence += fmt::format(" {}", module.version());
      if (module.taint().find('O') != std::string::npos)
        sentence += ", which is not part of this kernel's tree";
      if (module.taint().find('P') != std::string::npos) sentence += ", which is proprietary";
      out.push_back(sentence + ".");
    }
  }
  if (cause.kind() == v1::Cause::KIND_OUT_OF_MEMORY && failure.memory().slab_pages() > 0 &&
      failure.memory().slab_pages() > failure.memory().total_pages() / 2) {
    out.push_back("More than half of memory is slab: look for a kernel leak.");
  }
  if (failure.blocked_task_count() > 0) {
    std::set<std::string> names;
    for (const v1::BlockedTask& blocked : failure.blocked_tasks()) {
      if (names.size() < 4) names.insert(blocked.task().comm());
    }
    out.push_back(fmt::format("{} task{} in state D{}{}.", failure.blocked_task_count(),
                              failure.blocked_task_count() == 1 ? " is" : "s are",
                              names.empty() ? "" : ": ", fmt::join(names, ", ")));
  }
  return out;
}

}  // namespace hmem::analyse
