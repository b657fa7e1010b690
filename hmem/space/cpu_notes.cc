// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/cpu_notes.h"

#include <fmt/format.h>

#include "hmem/base/byte_reader.h"

namespace hmem::space {
namespace {

// Index into arch.registers; nullopt for a name the architecture does not have.
std::optional<size_t> IndexOf(const arch::Arch& arch, std::string_view register_name) {
  const arch::Register* found = arch.FindRegister(register_name);
  if (found == nullptr) return std::nullopt;
  return static_cast<size_t>(found - arch.registers.data());
}

Result<uint64_t> ReadInteger(ByteReader& reader, uint8_t size_bytes) {
  switch (size_bytes) {
    case 1: {
      HMEM_ASSIGN(uint64_t v, reader.U8());
      return v;
    }
    case 2: {
      HMEM_ASSIGN(uint64_t v, reader.U16());
      return v;
    }
    default:
      return reader.Word(size_bytes);
  }
}

}  // namespace

std::optional<uint64_t> RegisterSet::Get(const arch::Arch& arch,
                                         std::string_view register_name) const {
  std::optional<size_t> index = IndexOf(arch, register_name);
  if (!index || *index >= values.size() || !known[*index]) return std::nullopt;
  return values[*index];
}

void RegisterSet::Set(const arch::Arch& arch, std::string_view register_name, uint64_t value) {
  std::optional<size_t> index = IndexOf(arch, register_name);
  if (!index || *index >= values.size()) return;
  values[*index] = value;
  known[*index] = true;
}

RegisterSet RegisterSet::Empty(const arch::Arch& arch) {
  return {.values = std::vector<uint64_t>(arch.registers.size()),
          .known = std::vector<bool>(arch.registers.size())};
}

Result<RegisterSet> DecodeRegisters(const arch::Arch& arch, std::span<const std::byte> bytes) {
  RegisterSet set = RegisterSet::Empty(arch);
  ByteReader reader(bytes, arch.endian, "registers");
  for (size_t i = 0; i < arch.registers.size(); ++i) {
    const arch::Register& r = arch.registers[i];
    if (r.offset + uint64_t{r.size} > bytes.size()) continue;
    HMEM_TRY(reader.Seek(r.offset));
    HMEM_ASSIGN(set.values[i], ReadInteger(reader, r.size));
    set.known[i] = true;
  }
  if (!set.Get(arch, arch.pc_register) || !set.Get(arch, arch.sp_register)) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("registers: {} bytes do not reach {} and {} of {}", bytes.size(),
                            arch.pc_register, arch.sp_register, arch.name));
  }
  return set;
}

Result<CpuNote> DecodePrstatus(const arch::Arch& arch, std::span<const std::byte> desc) {
  const arch::PrstatusLayout& layout = arch.prstatus;
  if (desc.size() != layout.size) {
    return Fail(ErrorCode::kCorrupt, fmt::format("NT_PRSTATUS: size {}, expected {} on {}",
                                                 desc.size(), layout.size, arch.name));
  }
  CpuNote note;
  ByteReader reader(desc, arch.endian, "NT_PRSTATUS");
  HMEM_TRY(reader.Seek(layout.pid_offset));
  HMEM_ASSIGN(note.pid, reader.U32());
  HMEM_ASSIGN(note.registers,
              Within("NT_PRSTATUS",
                     DecodeRegisters(arch, desc.subspan(layout.regs_offset, layout.regs_size))));
  return note;
}

}  // namespace hmem::space
