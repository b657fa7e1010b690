// SPDX-License-Identifier: GPL-2.0-or-later
// NT_PRSTATUS notes decoded by the target's register table. The order of notes in the file is not
// the CPU number: offline CPUs and those that did not answer the NMI are missing. The per-CPU truth
// is `crash_notes` (dumptools/walk/cpus).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "hmem/base/result.h"

namespace hmem::space {

// Values by index into Arch::registers.
struct RegisterSet {
  std::vector<uint64_t> values;
  std::vector<bool> known;

  std::optional<uint64_t> Get(const arch::Arch& arch, std::string_view register_name) const;
  void Set(const arch::Arch& arch, std::string_view register_name, uint64_t value);
  static RegisterSet Empty(const arch::Arch& arch);
};

struct CpuNote {
  uint32_t pid = 0;  // pr_pid
  RegisterSet registers;
};

// Registers out of `bytes`, which is pr_reg, or struct pt_regs: registers behind its end stay
// unknown. kTruncated: not even the program counter and the stack pointer are inside.
Result<RegisterSet> DecodeRegisters(const arch::Arch& arch, std::span<const std::byte> bytes);
// One NT_PRSTATUS descriptor. kCorrupt: the size is not elf_prstatus of this architecture.
Result<CpuNote> DecodePrstatus(const arch::Arch& arch, std::span<const std::byte> desc);
}  // namespace hmem::space
