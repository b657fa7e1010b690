// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/memmap_maker.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace hmem::makers {
namespace {

constexpr uint64_t kSectionBytes = 16;
// Offsets in the made struct page.
constexpr uint64_t kFlags = 0, kLink = 8, kDtor = 16, kMapping = 24, kPrivateWord = 40,
                   kMapcount = 48;
// Flag numbers.
constexpr unsigned kLruBit = 4, kSlabBit = 9, kPrivateFlag = 13, kSwapCacheBit = 10, kHeadBit = 16,
                   kSwapBackedBit = 19, kPoisonBit = 23;
constexpr uint64_t kHugetlbDtor = 2;

constexpr uint64_t Bit(unsigned number) { return uint64_t{1} << number; }

}  // namespace

MemMapMaker::MemMapMaker(fakes::FakeVirtMemory& memory, Kind kind) : memory_(memory), kind_(kind) {
  memory_.AddZero({kRoots, kRoots + 4096});
  memory_.AddZero({kSections, kSections + 4096});
  memory_.PutPointer(kRoots, kSections);
}

void MemMapMaker::Section(uint64_t number) {
  // Marked present, has a map, online, early; the base of the only array.
  memory_.PutU64(kSections + number * kSectionBytes, kVmemmap.value | 0xf);
  Pfn first(number * kPagesPerSection);
  memory_.AddZero({At(first), At(first + kPagesPerSection)});
  for (Pfn pfn = first; pfn < first + kPagesPerSection; pfn = pfn + 1)
    memory_.PutU32(At(pfn) + kMapcount, 0xffffffff);
}

void MemMapMaker::SetFlags(Pfn pfn, uint64_t flags) { memory_.PutU64(At(pfn) + kFlags, flags); }

void MemMapMaker::SetCompoundHead(Pfn pfn, uint64_t value) {
  memory_.PutU64(At(pfn) + kLink, value);
}

void MemMapMaker::Page(Pfn pfn, uint32_t traits) {
  const bool by_type = kind_ == Kind::kType;
  uint64_t flags = 0;
  uint32_t type = 0xffffffff;
  if ((traits & kLru) != 0) flags |= Bit(kLruBit);
  if ((traits & kPrivate) != 0) flags |= Bit(kPrivateFlag);
  if ((traits & kSwapCache) != 0) flags |= Bit(kSwapCacheBit) | Bit(kSwapBackedBit);
  if ((traits & kPoison) != 0) flags |= Bit(kPoisonBit);
  if ((traits & kSlab) != 0) {
    if (by_type) {
      type = 0xf5u << 24;
    } else {
      flags |= Bit(kSlabBit);
    }
  }
  if ((traits & kTable) != 0) type = by_type ? 0xf2u << 24 : ~uint32_t{0x200};
  if ((traits & kOffline) != 0) type = by_type ? 0xf1u << 24 : ~uint32_t{0x100};
  if ((traits & kHugetlb) != 0 && by_type) type = 0xf4u << 24;
  SetFlags(pfn, flags);
  memory_.PutU64(At(pfn) + kMapping, (traits & kAnon) != 0 ? 0xffff888001000001 : 0);
  memory_.PutU32(At(pfn) + kMapcount, type);
}

void MemMapMaker::Buddy(Pfn pfn, uint64_t order) {
  memory_.PutU32(At(pfn) + kMapcount, kind_ == Kind::kType ? 0xf0u << 24 : ~uint32_t{0x80});
  memory_.PutU64(At(pfn) + kPrivateWord, order);
}

void MemMapMaker::Compound(Pfn pfn, unsigned order, uint32_t traits) {
  Page(pfn, traits);
  uint64_t flags = Bit(kHeadBit);
  if ((traits & kLru) != 0) flags |= Bit(kLruBit);
  if ((traits & kPrivate) != 0) flags |= Bit(kPrivateFlag);
  if ((traits & kSwapCache) != 0) flags |= Bit(kSwapCacheBit) | Bit(kSwapBackedBit);
  if ((traits & kPoison) != 0) flags |= Bit(kPoisonBit);
  if ((traits & kSlab) != 0 && kind_ == Kind::kBits) flags |= Bit(kSlabBit);
  SetFlags(pfn, flags);
  for (uint64_t i = 1; i < uint64_t{1} << order; ++i) SetCompoundHead(pfn + i, At(pfn).value | 1);
  memory_.PutU8(At(pfn + 1) + kDtor, (traits & kHugetlb) != 0 ? kHugetlbDtor : 1);
}

std::string MemMapMaker::Vmcoreinfo(std::string_view without) const {
  std::string all = fmt::format(
      "PAGESIZE=4096\nSYMBOL(mem_section)={:x}\nLENGTH(mem_section)=2048\nSIZE(mem_section)={}\n"
      "OFFSET(mem_section.section_mem_map)=0\nNUMBER(SECTION_SIZE_BITS)=27\n"
      "NUMBER(MAX_PHYSMEM_BITS)=46\nSIZE(page)={}\nOFFSET(page.flags)={}\n"
      "OFFSET(page.mapping)={}\nOFFSET(page._mapcount)={}\nOFFSET(page.private)={}\n"
      "OFFSET(page.compound_head)={}\nLENGTH(zone.free_area)=11\nNUMBER(PG_lru)={}\n"
      "NUMBER(PG_private)={}\nNUMBER(PG_swapcache)={}\nNUMBER(PG_swapbacked)={}\n"
      "NUMBER(PG_hwpoison)={}\nNUMBER(PG_head_mask)={}\n",
      kRoots.value, kSectionBytes, kStructPageBytes, kFlags, kMapping, kMapcount, kPrivateWord,
      kLink, kLruBit, kPrivateFlag, kSwapCacheBit, kSwapBackedBit, kPoisonBit, Bit(kHeadBit));
  if (kind_ == Kind::kType) {
    all += fmt::format(
        "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)={}\nNUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)={}\n"
        "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)={}\nNUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)={}\n",
        static_cast<int32_t>(0xf0u << 24), static_cast<int32_t>(0xf1u << 24),
        static_cast<int32_t>(0xf5u << 24), static_cast<int32_t>(0xf4u << 24));
  } else {
    all += fmt::format(
        "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\nNUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\n"
        "NUMBER(PG_slab)={}\nNUMBER(HUGETLB_PAGE_DTOR)={}\nOFFSET(page.compound_dtor)={}\n",
        kSlabBit, kHugetlbDtor, kDtor);
  }
  std::string kept;
  for (size_t at = 0; at < all.size();) {
    std::string_view line = std::string_view(all).substr(at, all.find('\n', at) + 1 - at);
    if (without.empty() || !line.starts_with(without)) kept += line;
    at += line.size();
  }
  return kept;
}

}  // namespace hmem::makers
