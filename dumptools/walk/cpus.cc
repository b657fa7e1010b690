// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/cpus.h"

#include <fmt/format.h>

#include <algorithm>

#include "dumptools/walk/cpu_masks.h"
#include "dumptools/walk/file_notes.h"

namespace hmem::walk {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kNoCpu = 0xffffffff;  // PANIC_CPU_INVALID, and crashing_cpu before a crash

// The buffer that crash_save_cpu() filled. nullopt: that CPU wrote nothing.
Result<std::optional<space::RegisterSet>> CrashNote(const Kernel& kernel, VirtAddr notes,
                                                    uint32_t cpu) {
  HMEM_ASSIGN(VirtAddr at, kernel.PerCpuPointer(notes, cpu));
  // note_buf_t never crosses a page (crash_notes_memory_init).
  uint64_t bytes = kernel.SizeOf("note_buf_t").value_or(1024);
  bytes = std::min(bytes, kPageBytes - at.value % kPageBytes);
  std::vector<std::byte> buffer(bytes);
  HMEM_TRY(kernel.memory().Read(at, buffer));
  HMEM_ASSIGN(std::vector<format::Note> parsed,
              format::ParseNotes(buffer, kernel.memory().endian()));
  for (const format::Note& note : parsed) {
    if (!IsPrstatus(note)) continue;
    HMEM_ASSIGN(space::CpuNote decoded, space::DecodePrstatus(kernel.arch(), note.desc));
    return std::optional(std::move(decoded.registers));
  }
  return std::nullopt;
}

// A hypervisor's dump of a living machine has no crash notes, but one note per CPU numbered from 1.
std::optional<space::RegisterSet> SnapshotNote(const Kernel& kernel, uint32_t cpu) {
  if (kernel.vmcoreinfo().Number("CRASHTIME")) return std::nullopt;
  for (const format::Note& note : kernel.source().notes()) {
    if (!IsPrstatus(note)) continue;
    Result<space::CpuNote> decoded = space::DecodePrstatus(kernel.arch(), note.desc);
    if (decoded && decoded->pid == cpu + 1) return std::move(decoded->registers);
  }
  return std::nullopt;
}

void ReadRegisters(const Kernel& kernel, const Result<VirtAddr>& notes, Cpu& cpu,
                   Findings& findings) {
  if (notes) {
    Result<std::optional<space::RegisterSet>> registers = CrashNote(kernel, *notes, cpu.number);
    if (registers) {
      cpu.registers = *std::move(registers);
      cpu.stack.end_reason =
          "no registers: the CPU's crash note is empty; it did not answer when it was stopped";
    } else {
      findings.Add(Severity::kLoss, "walk.cpus.bad-notes",
                   fmt::format("cpu {}: {}", cpu.number, registers.error().ToString()),
                   "the crash notes of a CPU cannot be read; its registers are not known");
      cpu.stack.end_reason = fmt::format("no registers: the CPU's crash note cannot be read: {}",
                                         registers.error().ToString());
    }
  } else {
    cpu.stack.end_reason =
        fmt::format("no registers: the crash notes cannot be found: {}", notes.error().ToString());
  }
  if (cpu.registers) {
    cpu.registers_origin = RegistersOrigin::kCrashNotes;
    return;
  }
  cpu.registers = SnapshotNote(kernel, cpu.number);
  if (cpu.registers) cpu.registers_origin = RegistersOrigin::kSnapshot;
}

void ReadCurrent(const Kernel& kernel, Cpu& cpu, Findings& findings) {
  auto read = [&]() -> Result<Task> {
    HMEM_ASSIGN(VirtAddr runqueue, kernel.PerCpu("runqueues", cpu.number));
    HMEM_ASSIGN(VirtAddr task, kernel.MemberPointer(runqueue, "rq", "curr"));
    return ReadTask(kernel, task);
  };
  Result<Task> task = read();
  if (task) {
    cpu.current = *std::move(task);
  } else {
    findings.Add(Severity::kLoss, "walk.cpus.no-current",
                 fmt::format("cpu {}: {}", cpu.number, task.error().ToString()),
                 "the task that a CPU was running cannot be read");
  }
}

void Unwind(const Kernel& kernel, Cpu& cpu) {
  if (!cpu.registers) return;
  Result<const unwind::Unwinder*> unwinder = kernel.unwinder();
  if (!unwinder) {
    cpu.stack.end_reason = unwinder.error().ToString();
    return;
  }
  cpu.stack = (*unwinder)->Unwind({.registers = *cpu.registers}, {});
}

// Gives the file's notes to CPUs. A pid is proof; behind that comes the order, but never against a
// known pid. Idle tasks all have pid 0, so that is no proof.
class FileNotes {
 public:
  explicit FileNotes(std::vector<space::CpuNote> notes) : notes_(std::move(notes)) {}

  void GiveByPid(std::vector<Cpu>& cpus) {
    for (Cpu& cpu : cpus) {
      if (!cpu.current || cpu.current->pid == 0) continue;
      auto note = std::ranges::find_if(notes_, [&](const space::CpuNote& n) {
        return n.pid == static_cast<uint32_t>(cpu.current->pid);
      });
      if (note != notes_.end()) Take(note, RegistersOrigin::kFileByPid, cpu);
    }
  }

  void GiveInOrder(std::vector<Cpu>& cpus) {
    for (Cpu& cpu : cpus) {
      if (cpu.registers) continue;
      auto note = std::ranges::find_if(notes_, [&](const space::CpuNote& n) {
        return !cpu.current || n.pid == static_cast<uint32_t>(cpu.current->pid);
      });
      if (note != notes_.end()) Take(note, RegistersOrigin::kFileInOrder, cpu);
    }
  }

  // For when the CPUs are not known: each note left over is one.
  void MakeCpus(std::vector<Cpu>& cpus) {
    uint32_t next = cpus.empty() ? 0 : cpus.back().number + 1;
    for (; !notes_.empty() && next < kMaxCpus; ++next) {
      Cpu cpu{.number = next, .online = true};
      Take(notes_.begin(), RegistersOrigin::kFileInOrder, cpu);
      cpus.push_back(std::move(cpu));
    }
  }

  size_t left() const { return notes_.size(); }

 private:
  void Take(std::vector<space::CpuNote>::iterator note, RegistersOrigin origin, Cpu& cpu) {
    cpu.registers = std::move(note->registers);
    cpu.registers_origin = origin;
    notes_.erase(note);
  }

  std::vector<space::CpuNote> notes_;
};

void ReadRegistersOfFile(const Kernel& kernel, bool cpus_known, std::vector<Cpu>& cpus,
                         Findings& findings) {
  FileNotes notes(ReadFileNotes(kernel.source(), kernel.arch(), findings));
  if (notes.left() == 0) return;
  notes.GiveByPid(cpus);
  notes.GiveInOrder(cpus);
  if (!cpus_known) notes.MakeCpus(cpus);
  const auto in_order = std::ranges::count(cpus, RegistersOrigin::kFileInOrder,
                                           [](const Cpu& cpu) { return cpu.registers_origin; });
  if (in_order > 0) {
    findings.Add(Severity::kLoss, "walk.cpus.from-file-in-order", "",
                 fmt::format("the registers of {} CPUs are from the file's notes in their order, "
                             "which need not be the CPU numbers",
                             in_order));
  } else if (std::ranges::any_of(cpus, [](const Cpu& cpu) { return cpu.registers.has_value(); })) {
    findings.Add(Severity::kInfo, "walk.cpus.from-file-by-pid", "",
                 "registers are from the file's notes, told apart by the pids of running tasks");
  }
  if (notes.left() > 0) {
    findings.Add(
        Severity::kLoss, "walk.cpus.strange-file-notes", "",
        fmt::format("{} CPU notes of the file fit no task that a CPU was running", notes.left()));
  }
}

}  // namespace

std::vector<Cpu> ReadCpus(const Kernel& kernel, Findings& findings) {
  std::vector<uint32_t> possible = PossibleCpus(kernel, findings);
  Result<std::vector<uint32_t>> online = ReadCpuMask(kernel, "__cpu_online_mask");
  if (!online) {
    findings.Add(Severity::kLoss, "walk.cpus.no-online-mask", online.error().ToString(),
                 "the set of online CPUs cannot be read; every possible CPU is shown");
  }
  Result<uint32_t> crashed = CrashedCpu(kernel);
  auto notes = [&]() -> Result<VirtAddr> {
    HMEM_ASSIGN(VirtAddr pointer, kernel.SymbolAddress("crash_notes"));
    return Within("crash_notes", kernel.memory().Pointer(pointer));
  }();
  if (!notes) {
    findings.Add(Severity::kLoss, "walk.cpus.no-notes", notes.error().ToString(),
                 "the CPUs' crash notes cannot be found; registers may be missing");
  }

  std::vector<Cpu> cpus;
  for (uint32_t number : possible) {
    Cpu cpu{.number = number};
    cpu.online = !online || std::ranges::binary_search(*online, number);
    cpu.crashed = crashed && *crashed == number;
    ReadRegisters(kernel, notes, cpu, findings);
    if (!cpu.online && !cpu.registers && !cpu.crashed) continue;
    ReadCurrent(kernel, cpu, findings);
    cpus.push_back(std::move(cpu));
  }
  if (std::ranges::none_of(cpus, [](const Cpu& cpu) { return cpu.registers.has_value(); })) {
    const bool cpus_known = ReadCpuMask(kernel, "__cpu_possible_mask").has_value();
    ReadRegistersOfFile(kernel, cpus_known, cpus, findings);
  }
  for (Cpu& cpu : cpus) Unwind(kernel, cpu);
  return cpus;
}

Result<uint32_t> CrashedCpu(const Kernel& kernel) {
  std::optional<Error> missing, unreadable;
  bool nobody = false;
  for (std::string_view symbol : {"panic_cpu", "crashing_cpu"}) {
    Result<VirtAddr> address = kernel.SymbolAddress(symbol);
    if (!address) {
      if (!missing) missing = std::move(address).error();
      continue;
    }
    Result<uint32_t> cpu = Within(symbol, kernel.memory().U32(*address));
    if (cpu && *cpu < kMaxCpus) return *cpu;
    if (cpu && *cpu == kNoCpu) {
      nobody = true;
      continue;
    }
    if (unreadable) continue;
    unreadable =
        cpu ? Error(ErrorCode::kCorrupt, fmt::format("{:#x} is no CPU number", *cpu)).Within(symbol)
            : std::move(cpu).error();
  }
  if (unreadable) return std::unexpected<Error>(*std::move(unreadable));
  if (!nobody && missing) return std::unexpected<Error>(*std::move(missing));
  return Fail(ErrorCode::kNotFound, "no CPU panicked");
}

}  // namespace hmem::walk
