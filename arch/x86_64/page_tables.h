// SPDX-License-Identifier: GPL-2.0-or-later
// x86-64 kernel page tables: entries of 8 bytes little-endian, 512 per 4 KiB table, 4 or 5 levels.
// Source: Intel SDM vol. 3A, ch. 4; Linux arch/x86/mm, Documentation/x86/x86_64/mm.rst.
#pragma once

#include "arch/arch.h"

namespace hmem::arch::x86_64 {

// Link address of the kernel image (__START_KERNEL_map), before kaslr.
constexpr uint64_t kKernelMap = 0xffffffff80000000;

// SYMBOL(swapper_pg_dir) or SYMBOL(init_top_pgt), NUMBER(phys_base); pgtable_l5_enabled,
// KERNELOFFSET, sme_mask and KERNEL_IMAGE_SIZE where the kernel writes them.
Result<TranslationFacts> FactsFromNumbers(const NumberLookup& numbers);

// The page that covers `addr`: 4 KiB, 2 MiB or 1 GiB. kNotMapped: not present at the level named,
// or not canonical.
Result<Mapping> Walk(const PhysReader& phys, const TranslationFacts& facts, VirtAddr addr);

void VisitTables(const PhysReader& phys, const TranslationFacts& facts, Half half,
                 TableVisitor& visitor);

std::optional<PhysAddr> KernelImage(const TranslationFacts& facts, VirtAddr addr);

}  // namespace hmem::arch::x86_64
