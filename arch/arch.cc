// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/arch.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace hmem::arch {

const Register* Arch::FindRegister(std::string_view register_name) const {
  auto it = std::find_if(registers.begin(), registers.end(),
                         [&](const Register& r) { return r.name == register_name; });
  return it == registers.end() ? nullptr : &*it;
}

Result<const Arch*> FindArch(uint16_t elf_machine, int word_bytes, Endian endian) {
  std::string known;
  for (const Arch* arch : AllArchs()) {
    if (arch->elf_machine == elf_machine && arch->word_bytes == word_bytes &&
        arch->endian == endian) {
      return arch;
    }
    known += known.empty() ? "" : ", ";
    known += arch->name;
  }
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("ELF machine {}, {}-bit, {}-endian: not an architecture of this build ({})",
                  elf_machine, word_bytes * 8, endian == Endian::kLittle ? "little" : "big",
                  known));
}

}  // namespace hmem::arch
