// SPDX-License-Identifier: GPL-2.0-or-later
// NT_PRSTATUS descriptors from register names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/arch.h"

namespace hmem::makers {

using RegisterValues = std::vector<std::pair<std::string_view, uint64_t>>;

// struct elf_prstatus of that architecture; registers not named are zero.
std::vector<std::byte> MakePrstatus(const arch::Arch& arch, uint32_t pid,
                                    const RegisterValues& registers);
// pr_reg alone, as struct pt_regs begins.
std::vector<std::byte> MakeRegisters(const arch::Arch& arch, const RegisterValues& registers);

}  // namespace hmem::makers
