// SPDX-License-Identifier: GPL-2.0-or-later
// 32-bit PowerPC, Book3S, 4 KiB pages and 32-bit entries: two levels of 1024 big-endian words.
// Lowmem is mapped by BATs, which are not in the tables. Source: Linux
// arch/powerpc/include/asm/book3s/32/{pgtable,pgalloc}.h, mm/book3s32/mmu.c.
#pragma once

#include "arch/arch.h"

namespace hmem::arch::ppc32 {

constexpr uint64_t kKernelBase = 0xc0000000;      // CONFIG_KERNEL_START
constexpr uint64_t kLowmemMaxBytes = 0x30000000;  // CONFIG_LOWMEM_SIZE

// SYMBOL(swapper_pg_dir); NUMBER(VMALLOC_START), KERNELOFFSET where the kernel writes them. RAM
// starts at 0.
Result<TranslationFacts> FactsFromNumbers(const NumberLookup& numbers);

// The 4 KiB page that covers `addr`. Lowmem without an entry is linear, as the BATs have it.
Result<Mapping> Walk(const PhysReader& phys, const TranslationFacts& facts, VirtAddr addr);

std::optional<PhysAddr> Lowmem(const TranslationFacts& facts, VirtAddr addr);

}  // namespace hmem::arch::ppc32
