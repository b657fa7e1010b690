// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/prstatus_maker.h"

#include <algorithm>

namespace hmem::makers {

std::vector<std::byte> MakeRegisters(const arch::Arch& arch, const RegisterValues& registers) {
  std::vector<std::byte> bytes(arch.prstatus.regs_size);
  for (const auto& [name, value] : registers) {
    const arch::Register* r = arch.FindRegister(name);
    if (r == nullptr) continue;
    if (r->size == 8) {
      Store<uint64_t>(bytes.data() + r->offset, value, arch.endian);
    } else {
      Store<uint32_t>(bytes.data() + r->offset, static_cast<uint32_t>(value), arch.endian);
    }
  }
  return bytes;
}

std::vector<std::byte> MakePrstatus(const arch::Arch& arch, uint32_t pid,
                                    const RegisterValues& registers) {
  std::vector<std::byte> bytes(arch.prstatus.size);
  Store<uint32_t>(bytes.data() + arch.prstatus.pid_offset, pid, arch.endian);
  std::ranges::copy(MakeRegisters(arch, registers), bytes.begin() + arch.prstatus.regs_offset);
  return bytes;
}

}  // namespace hmem::makers
