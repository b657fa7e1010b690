// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/ppc32/page_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hmem::arch::ppc32 {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kPageMask = ~(kPageBytes - 1);
constexpr int kPgdShift = 22;
constexpr int kPteShift = 12;
constexpr uint64_t kIndexMask = 1023;
constexpr uint32_t kPtePresent = 0x001;  // _PAGE_PRESENT
constexpr int kLevels = 2;

Result<uint32_t> ReadEntry(const PhysReader& phys, PhysAddr slot, std::string_view place) {
  std::array<std::byte, sizeof(uint32_t)> bytes;
  if (Status status = phys.Read(slot, bytes); !status) {
    if (status.error().code() == ErrorCode::kNotFound) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{}: no RAM there", place));
    }
    return std::unexpected(std::move(status).error().Within(place));
  }
  return Load<uint32_t>(bytes.data(), Endian::kBig);
}

Mapping Page(VirtAddr addr, PhysAddr phys) {
  VirtAddr start(addr.value & kPageMask);
  return {.virt = {start, start + kPageBytes}, .phys = PhysAddr(phys.value & kPageMask)};
}

}  // namespace

Result<TranslationFacts> FactsFromNumbers(const NumberLookup& numbers) {
  std::optional<uint64_t> root = numbers("SYMBOL(swapper_pg_dir)");
  if (!root) return Fail(ErrorCode::kNotFound, "VMCOREINFO: no SYMBOL(swapper_pg_dir)");
  TranslationFacts facts;
  facts.levels = kLevels;
  facts.kernel_offset = numbers("KERNELOFFSET").value_or(0);
  uint64_t end = kKernelBase + kLowmemMaxBytes;
  // vmalloc space starts behind the last byte of lowmem, rounded up.
  if (auto vmalloc = numbers("NUMBER(VMALLOC_START)"); vmalloc && *vmalloc > kKernelBase) {
    end = std::min(end, *vmalloc);
  }
  facts.fixed = {VirtAddr(kKernelBase), VirtAddr(end)};
  std::optional<PhysAddr> root_phys = Lowmem(facts, VirtAddr(*root));
  if (!root_phys) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("VMCOREINFO: swapper_pg_dir at {:#x}, outside lowmem", *root));
  }
  facts.root = *root_phys;
  return facts;
}

Result<Mapping> Walk(const PhysReader& phys, const TranslationFacts& facts, VirtAddr addr) {
  if (addr.value > UINT32_MAX) {
    return Fail(ErrorCode::kNotMapped,
                fmt::format("virt {:#x}: beyond the 32-bit address space", addr.value));
  }
  const PhysAddr pgd_slot = facts.root + (addr.value >> kPgdShift) * sizeof(uint32_t);
  const std::string pgd_place =
      fmt::format("virt {:#x}: PGD entry at phys {:#x}", addr.value, pgd_slot.value);
  HMEM_ASSIGN(uint32_t pgd, ReadEntry(phys, pgd_slot, pgd_place));
  if ((pgd & kPageMask) == 0) {  // pmd_present(): the address itself
    if (auto linear = Lowmem(facts, addr)) return Page(addr, *linear);
    return Fail(ErrorCode::kNotMapped, fmt::format("{}: {:#x}: not present", pgd_place, pgd));
  }
  if ((pgd & ~kPageMask) != 0) {  // pmd_bad()
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: {:#x}: low bits set", pgd_place, pgd));
  }
  const PhysAddr pte_slot =
      PhysAddr(pgd) + ((addr.value >> kPteShift) & kIndexMask) * sizeof(uint32_t);
  const std::string pte_place =
      fmt::format("virt {:#x}: PTE entry at phys {:#x}", addr.value, pte_slot.value);
  HMEM_ASSIGN(uint32_t pte, ReadEntry(phys, pte_slot, pte_place));
  if ((pte & kPtePresent) == 0) {
    return Fail(ErrorCode::kNotMapped, fmt::format("{}: {:#x}: not present", pte_place, pte));
  }
  return Page(addr, PhysAddr(pte));
}

std::optional<PhysAddr> Lowmem(const TranslationFacts& facts, VirtAddr addr) {
  if (!facts.fixed.contains(addr)) return std::nullopt;
  return PhysAddr(addr.value - kKernelBase);
}

}  // namespace hmem::arch::ppc32
