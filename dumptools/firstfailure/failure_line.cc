// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/failure_line.h"

#include <array>
#include <charconv>

namespace hmem::firstfailure {
namespace {

using Kind = v1::Cause;

enum class Match { kPrefix, kContains };

struct Pattern {
  Match match;
  std::string_view text;
  Kind::Kind kind;
  std::string_view name;
  bool oops;
};

// First match wins: the more telling line stands before the one that may contain it.
constexpr std::array kPatterns = {
    // Faults, x86 5.x+ and before, then arm64 and powerpc.
    Pattern{Match::kPrefix, "BUG: kernel NULL pointer dereference", Kind::KIND_BAD_POINTER,
            "bad pointer", true},
    Pattern{Match::kPrefix, "BUG: unable to handle page fault for address", Kind::KIND_BAD_POINTER,
            "bad pointer", true},
    Pattern{Match::kPrefix, "BUG: unable to handle kernel", Kind::KIND_BAD_POINTER, "bad pointer",
            true},
    Pattern{Match::kPrefix, "BUG: Unable to handle kernel", Kind::KIND_BAD_POINTER, "bad pointer",
            true},
    Pattern{Match::kPrefix, "Unable to handle kernel", Kind::KIND_BAD_POINTER, "bad pointer", true},
    Pattern{Match::kPrefix, "kernel tried to execute", Kind::KIND_BAD_POINTER, "bad pointer", true},
    // Stack overflow.
    Pattern{Match::kContains, "stack guard page was hit at", Kind::KIND_STACK_OVERFLOW,
            "stack overflow", true},
    Pattern{Match::kPrefix, "PANIC: double fault", Kind::KIND_STACK_OVERFLOW, "double fault", true},
    Pattern{Match::kPrefix, "traps: PANIC: double fault", Kind::KIND_STACK_OVERFLOW, "double fault",
            true},
    Pattern{Match::kPrefix, "Insufficient stack space to handle exception",
            Kind::KIND_STACK_OVERFLOW, "stack overflow", true},
    Pattern{Match::kPrefix, "Kernel stack overflow", Kind::KIND_STACK_OVERFLOW, "stack overflow",
            true},
    // Other exceptions; from 6.10 on with "Oops: " in front, which ClassifyLine takes off.
    Pattern{Match::kPrefix, "kernel BUG at ", Kind::KIND_BUG, "bug", true},
    Pattern{Match::kPrefix, "general protection fault", Kind::KIND_GENERAL_PROTECTION,
            "general protection", true},
    Pattern{Match::kPrefix, "divide error:", Kind::KIND_DIVIDE_ERROR, "divide error", true},
    Pattern{Match::kPrefix, "invalid opcode:", Kind::KIND_INVALID_OPCODE, "invalid opcode", true},
    Pattern{Match::kPrefix, "stack segment:", Kind::KIND_GENERAL_PROTECTION, "stack segment", true},
    Pattern{Match::kPrefix, "kernel stack overflow", Kind::KIND_STACK_OVERFLOW, "stack overflow",
            true},
    Pattern{Match::kPrefix, "double fault:", Kind::KIND_STACK_OVERFLOW, "double fault", true},
    Pattern{Match::kPrefix, "alignment check:", Kind::KIND_PANIC, "alignment check", true},
    Pattern{Match::kPrefix, "control protection fault:", Kind::KIND_GENERAL_PROTECTION,
            "control protection", true},
    Pattern{Match::kPrefix, "Internal error: ", Kind::KIND_PANIC, "oops", true},
    // Lockups and stalls.
    Pattern{Match::kContains, "BUG: soft lockup - CPU#", Kind::KIND_SOFT_LOCKUP, "soft lockup",
            false},
    Pattern{Match::kContains, "atchdog detected hard LOCKUP on cpu", Kind::KIND_HARD_LOCKUP,
            "hard lockup", false},
    Pattern{Match::kContains, "BUG: workqueue lockup - pool", Kind::KIND_PANIC, "workqueue lockup",
            false},
    Pattern{Match::kContains, "self-detected stall on CPU", Kind::KIND_RCU_STALL, "rcu stall",
            false},
    Pattern{Match::kContains, "detected stalls on CPUs/tasks", Kind::KIND_RCU_STALL, "rcu stall",
            false},
    Pattern{Match::kContains, "detected expedited stalls on CPUs/tasks", Kind::KIND_RCU_STALL,
            "rcu stall", false},
    // Memory.
    Pattern{Match::kContains, " invoked oom-killer: ", Kind::KIND_OUT_OF_MEMORY, "out of memory",
            false},
    Pattern{Match::kPrefix, "Out of memory", Kind::KIND_OUT_OF_MEMORY, "out of memory", false},
    // Hardware.
    Pattern{Match::kContains, "Machine Check Exception", Kind::KIND_MACHINE_CHECK, "machine check",
            false},
    Pattern{Match::kPrefix, "mce: [Hardware Error]", Kind::KIND_MACHINE_CHECK, "machine check",
            false},
    Pattern{Match::kContains, "[Hardware Error]: Machine check", Kind::KIND_MACHINE_CHECK,
            "machine check", false},
    Pattern{Match::kContains, "Hardware error from APEI", Kind::KIND_MACHINE_CHECK,
            "hardware error", false},
    Pattern{Match::kPrefix, "Memory failure: ", Kind::KIND_MACHINE_CHECK, "memory failure", false},
    Pattern{Match::kPrefix, "Uhhuh. NMI received for unknown reason", Kind::KIND_NMI, "nmi", false},
    Pattern{Match::kPrefix, "NMI: PCI system error (SERR)", Kind::KIND_NMI, "nmi", false},
    Pattern{Match::kPrefix, "NMI: IOCK error", Kind::KIND_NMI, "nmi", false},
    // Checks that warn.
    Pattern{Match::kPrefix, "WARNING: CPU: ", Kind::KIND_WARNING, "warning", false},
    Pattern{Match::kPrefix, "WARNING: ", Kind::KIND_WARNING, "warning", false},
    Pattern{Match::kPrefix, "BUG: KASAN: ", Kind::KIND_WARNING, "memory corruption", false},
    Pattern{Match::kPrefix, "BUG: KFENCE: ", Kind::KIND_WARNING, "memory corruption", false},
    Pattern{Match::kPrefix, "BUG: KMSAN: ", Kind::KIND_WARNING, "memory corruption", false},
    Pattern{Match::kPrefix, "BUG: KCSAN: ", Kind::KIND_WARNING, "data race", false},
    Pattern{Match::kPrefix, "UBSAN: ", Kind::KIND_WARNING, "undefined behaviour", false},
    Pattern{Match::kPrefix, "BUG: ", Kind::KIND_WARNING, "bug", false},
};

std::optional<uint64_t> HexAt(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

template <typename T>
std::optional<T> DecimalAt(std::string_view text) {
  T value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 10);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

std::optional<std::string_view> Behind(std::string_view line, std::string_view word) {
  size_t at = line.find(word);
  if (at == std::string_view::npos) return std::nullopt;
  return line.substr(at + word.size());
}

bool IsHung(std::string_view line) {
  return line.starts_with("INFO: task ") &&
         line.find(" blocked for more than ") != std::string_view::npos;
}

bool AllHex(std::string_view text) {
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return !text.empty();
}

}  // namespace

std::string_view KernelText(const walk::LogRecord& record) {
  return record.facility == 0 ? std::string_view(record.text) : std::string_view();
}

std::optional<std::string_view> PanicText(std::string_view line) {
  constexpr std::string_view kPrefix = "Kernel panic - not syncing: ";
  if (!line.starts_with(kPrefix)) return std::nullopt;
  std::string_view text = line.substr(kPrefix.size());
  return text.substr(0, text.find('\n'));
}

std::optional<FailureLine> ClassifyLine(std::string_view line) {
  line = line.substr(0, line.find('\n'));
  if (auto text = PanicText(line)) {
    Kind::Kind kind = KindOfPanicText(*text);
    return FailureLine{kind == Kind::KIND_UNSPECIFIED ? Kind::KIND_PANIC : kind, "panic", false};
  }
  if (IsHung(line)) return FailureLine{Kind::KIND_HUNG_TASK, "hung task", false};
  const bool oops_prefix = line.starts_with("Oops: ");
  std::string_view bare = oops_prefix ? line.substr(6) : line;
  for (const Pattern& pattern : kPatterns) {
    bool hit = pattern.match == Match::kPrefix ? bare.starts_with(pattern.text)
                                               : bare.find(pattern.text) != std::string_view::npos;
    if (hit) return FailureLine{pattern.kind, pattern.name, pattern.oops};
  }
  if (oops_prefix) return FailureLine{Kind::KIND_PANIC, "oops", true};
  return std::nullopt;
}

v1::Cause::Kind KindOfPanicText(std::string_view text) {
  struct Row {
    Match match;
    std::string_view text;
    Kind::Kind kind;
  };
  static constexpr Row kRows[] = {
      {Match::kPrefix, "Fatal exception", Kind::KIND_UNSPECIFIED},
      {Match::kPrefix, "sysrq triggered crash", Kind::KIND_SYSRQ},
      {Match::kPrefix, "softlockup: hung tasks", Kind::KIND_SOFT_LOCKUP},
      {Match::kContains, "Hard LOCKUP", Kind::KIND_HARD_LOCKUP},
      {Match::kContains, "hard LOCKUP", Kind::KIND_HARD_LOCKUP},
      {Match::kPrefix, "hung_task: blocked tasks", Kind::KIND_HUNG_TASK},
      {Match::kPrefix, "Out of memory", Kind::KIND_OUT_OF_MEMORY},
      {Match::kPrefix, "out of memory", Kind::KIND_OUT_OF_MEMORY},
      {Match::kPrefix, "System is deadlocked on memory", Kind::KIND_OUT_OF_MEMORY},
      {Match::kPrefix, "RCU Stall", Kind::KIND_RCU_STALL},
      {Match::kContains, "achine check", Kind::KIND_MACHINE_CHECK},
      {Match::kContains, "Machine Check", Kind::KIND_MACHINE_CHECK},
      {Match::kPrefix, "Fatal hardware error", Kind::KIND_MACHINE_CHECK},
      {Match::kPrefix, "Timeout: Not all CPUs entered broadcast exception handler",
       Kind::KIND_MACHINE_CHECK},
      {Match::kPrefix, "NMI", Kind::KIND_NMI},
      {Match::kPrefix, "stack-protector:", Kind::KIND_STACK_CORRUPTION},
      {Match::kPrefix, "corrupted stack end detected", Kind::KIND_STACK_CORRUPTION},
      {Match::kContains, "ernel stack overflow", Kind::KIND_STACK_OVERFLOW},
      {Match::kContains, "panic_on_warn set", Kind::KIND_WARNING},
      {Match::kPrefix, "Attempted to kill init!", Kind::KIND_INIT_DIED},
      {Match::kPrefix, "BUG!", Kind::KIND_BUG},
  };
  for (const Row& row : kRows) {
    bool hit = row.match == Match::kPrefix ? text.starts_with(row.text)
                                           : text.find(row.text) != std::string_view::npos;
    if (hit) return row.kind;
  }
  return Kind::KIND_PANIC;
}

bool IsCutHere(std::string_view line) { return line.starts_with("------------[ cut here ]"); }
bool IsEndTrace(std::string_view line) { return line.starts_with("---[ end trace "); }

bool IsTraceLine(std::string_view line) {
  if (line.empty()) return false;
  if (line.front() == ' ' || line.front() == '\t') return true;
  static constexpr std::string_view kStarts[] = {
      "Call Trace:",
      "Call trace:",
      "Modules linked in:",
      "CPU: ",
      "Hardware name:",
      "Workqueue: ",
      "RIP: ",
      "RSP: ",
      "Code: ",
      "CR2: ",
      "Oops: ",
      "#PF: ",
      "PGD ",
      "Tainted: ",
      "Sending NMI",
      "NMI backtrace for cpu",
      "task:",
      "Preemption disabled at:",
      "irq event stamp:",
      "hardirqs last",
      "softirqs last",
      "Unloaded tainted modules:",
      "note: ",
      "Fixing recursive fault",
      "PKRU: ",
      "Mem abort info:",
      "Data abort info:",
      "swapper pgtable:",
      "user pgtable:",
      "pstate: ",
      "pc : ",
      "lr : ",
      "sp : ",
      "NIP:",
      "NIP [",
      "LR [",
      "REGS: ",
      "MSR: ",
      "GPR",
      "CFAR:",
      "FAULT_INSTRUCTION",
      "Instruction dump:",
      "Stack:",
      "Process ",
      "pid:",
      "INFO: lockdep",
      "in_atomic(): ",
      "Faulting instruction address:",
      "BUG: Kernel NULL pointer",
      "Showing all locks held",
      "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\"",
      "rcu: \t",
      "Last potential writeback",
      "invalid opcode:",
      "Internal error:",
      "---[ end Kernel panic"};
  for (std::string_view start : kStarts) {
    if (line.starts_with(start)) return true;
  }
  // A register line: "RAX: ...", "R13: ...", "FS:  ...", "x29: ...", "DR0: ...".
  size_t colon = line.find(':');
  if (colon >= 2 && colon <= 3 && colon + 1 < line.size() && line[colon + 1] == ' ') {
    size_t digits = line.find_first_not_of(' ', colon + 1);
    if (digits != std::string_view::npos && AllHex(line.substr(digits, 4))) return true;
  }
  return false;
}

std::optional<uint64_t> FaultAddress(std::string_view line) {
  for (std::string_view word :
       {"for address: ", "dereference, address: ", "non-canonical address ", "maybe for address ",
        "at virtual address ", "NULL pointer dereference at ", "paging request at ",
        "data access at ", "instruction fetch at ", "CR2: "}) {
    if (auto rest = Behind(line, word)) return HexAt(*rest);
  }
  return std::nullopt;
}

std::optional<uint32_t> LockupCpu(std::string_view line) {
  for (std::string_view word : {"soft lockup - CPU#", "hard LOCKUP on cpu "}) {
    if (auto rest = Behind(line, word)) return DecimalAt<uint32_t>(*rest);
  }
  return std::nullopt;
}

std::vector<uint32_t> StalledCpus(std::string_view line) {
  std::vector<uint32_t> cpus;
  bool all = false;  // CPUs stand one behind the other
  if (auto rest = Behind(line, "stalls on CPUs/tasks:")) {
    size_t open = rest->find('{');
    if (open == std::string_view::npos) return cpus;
    line = rest->substr(open + 1);
    all = true;
  } else if (line.starts_with("rcu: ")) {
    line.remove_prefix(5);
  }
  do {
    // print_cpu_stall_info() and sync_rcu_exp_select_cpus(): the number, '-', four letters or dots.
    size_t digits = line.find_first_not_of(" \t");
    if (digits == std::string_view::npos || digits == 0) break;
    line.remove_prefix(digits);
    size_t end = line.find_first_not_of("0123456789");
    if (end == 0 || end == std::string_view::npos || line[end] != '-') break;
    auto cpu = DecimalAt<uint32_t>(line);
    if (!cpu) break;
    cpus.push_back(*cpu);
    size_t next = line.find(' ');
    line = next == std::string_view::npos ? std::string_view() : line.substr(next);
  } while (all);
  return cpus;
}

std::optional<NamedTask> HungTask(std::string_view line) {
  if (!IsHung(line)) return std::nullopt;
  constexpr std::string_view kBefore = "INFO: task ";
  std::string_view name = line.substr(kBefore.size());
  name = name.substr(0, name.rfind(" blocked for more than "));
  size_t colon = name.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto pid = DecimalAt<int32_t>(name.substr(colon + 1));
  if (!pid) return std::nullopt;
  return NamedTask{.comm = std::string(name.substr(0, colon)), .pid = *pid};
}

std::optional<uint32_t> ReportCpu(std::string_view line) {
  constexpr std::string_view kBefore = "CPU: ";
  if (!line.starts_with(kBefore)) return std::nullopt;
  return DecimalAt<uint32_t>(line.substr(kBefore.size()));
}

std::optional<LogLocation> LocationInLine(std::string_view line) {
  std::string_view rest;
  if (line.starts_with("RIP: 0010:")) {
    rest = line.substr(10);
  } else if (line.starts_with("pc : ")) {
    rest = line.substr(5);
  } else if (line.starts_with("NIP [")) {
    size_t close = line.find("] ");
    if (close == std::string_view::npos) return std::nullopt;
    rest = line.substr(close + 2);
  } else {
    return std::nullopt;
  }
  size_t plus = rest.find("+0x");
  if (plus == std::string_view::npos || plus == 0) return std::nullopt;
  size_t slash = rest.find("/0x", plus);
  if (slash == std::string_view::npos) return std::nullopt;
  LogLocation location;
  location.symbol = rest.substr(0, plus);
  auto offset = HexAt(rest.substr(plus + 1));
  auto size = HexAt(rest.substr(slash + 1));
  if (!offset || !size || location.symbol.find(' ') != std::string::npos) return std::nullopt;
  location.offset = *offset;
  location.size = *size;
  size_t open = rest.find(" [", slash);
  if (open != std::string_view::npos) {
    std::string_view module = rest.substr(open + 2);
    // Build ids may stand behind the name: "[ext4 0123abcd]".
    location.module = module.substr(0, module.find_first_of(" ]"));
  }
  return location;
}

}  // namespace hmem::firstfailure
