// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/cpus.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>

#include "dumptools/walk/cpu_masks.h"
#include "hmem/format/elf_note.h"

namespace hmem::walk {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kNoCpu = 0xffffffff;  // PANIC_CPU_INVALID, and crashing_cpu before a crash

bool IsPrstatus(const format::Note& note) {
  return note.type == NT_PRSTATUS && note.name == "CORE";
}

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
    } else {
      findings.Add(Severity::kLoss, "walk.cpus.bad-notes",
                   fmt::format("cpu {}: {}", cpu.number, registers.error().ToString()),
                   "the crash notes of a CPU cannot be read; its registers are not known");
    }
  }
  if (!cpu.registers) cpu.registers = SnapshotNote(kernel, cpu.number);
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
  if (!cpu.registers) {
    cpu.stack.end_reason = "no registers: the CPU did not answer when it was stopped";
    return;
  }
  Result<const unwind::Unwinder*> unwinder = kernel.unwinder();
  if (!unwinder) {
    cpu.stack.end_reason = unwinder.error().ToString();
    return;
  }
  cpu.stack = (*unwinder)->Unwind({.registers = *cpu.registers}, {});
}

}  // namespace

Result<std::vector<Cpu>> ReadCpus(const Kernel& kernel, Findings& findings) {
  std::vector<uint32_t> possible = PossibleCpus(kernel, findings);
  Result<std::vector<uint32_t>> online = ReadCpuMask(kernel, "__cpu_online_mask");
  if (!online) {
    findings.Add(Severity::kLoss, "walk.cpus.no-mask", online.error().ToString(),
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
    Unwind(kernel, cpu);
    cpus.push_back(std::move(cpu));
  }
  return cpus;
}

Result<uint32_t> CrashedCpu(const Kernel& kernel) {
  for (std::string_view symbol : {"panic_cpu", "crashing_cpu"}) {
    Result<VirtAddr> address = kernel.SymbolAddress(symbol);
    if (!address) continue;
    Result<uint32_t> cpu = kernel.memory().U32(*address);
    if (cpu && *cpu != kNoCpu) return *cpu;
  }
  return Fail(ErrorCode::kNotFound, "no CPU panicked");
}

}  // namespace hmem::walk
