// SPDX-License-Identifier: GPL-2.0-or-later
// The struct pages of a small made kernel in a fake's virtual memory, and the VMCOREINFO that
// describes them: sections of 128 MiB, sparse-extreme, one array (vmemmap).
//
//   MemMapMaker pages(virt, MemMapMaker::Kind::kType);     // page types in the top byte (6.11+)
//   pages.Section(0);
//   pages.Buddy(Pfn(0x100), 3);
//   pages.Compound(Pfn(0x200), 9, MemMapMaker::kAnon);
#pragma once

#include <cstdint>
#include <string>

#include "hmem/base/address.h"
#include "tests/fakes/fake_memory.h"

namespace hmem::makers {

class MemMapMaker {
 public:
  enum class Kind {
    kBits,  // up to 6.10: page types are clear bits, PG_slab, HUGETLB_PAGE_DTOR
    kType,  // page types in the top byte
  };
  // What makes a page what it is; may be combined.
  enum Trait : uint32_t {
    kAnon = 1,
    kLru = 2,
    kPrivate = 4,
    kSwapCache = 8,  // PG_swapcache and PG_swapbacked
    kSlab = 16,
    kHugetlb = 32,
    kTable = 64,
    kOffline = 128,
    kPoison = 256,
  };
  static constexpr VirtAddr kVmemmap{0xffffea0000000000};
  static constexpr uint64_t kStructPageBytes = 64;
  static constexpr uint64_t kPagesPerSection = 32768;

  MemMapMaker(fakes::FakeVirtMemory& memory, Kind kind);

  // Zeroed struct pages for all pages of a section: kernel pages.
  void Section(uint64_t number);
  VirtAddr At(Pfn pfn) const { return kVmemmap + pfn.value * kStructPageBytes; }
  void Page(Pfn pfn, uint32_t traits);
  // The head of a free block; what lies in it says nothing.
  void Buddy(Pfn pfn, uint64_t order);
  // A compound page of 2^order pages.
  void Compound(Pfn pfn, unsigned order, uint32_t traits);
  void SetFlags(Pfn pfn, uint64_t flags);
  void SetCompoundHead(Pfn pfn, uint64_t value);

  // Without the line of `without`, which may be any start of a line.
  std::string Vmcoreinfo(std::string_view without = {}) const;

  static constexpr VirtAddr kRoots{0xffff888000010000};
  static constexpr VirtAddr kSections{0xffff888000020000};  // of the only root

 private:
  fakes::FakeVirtMemory& memory_;
  Kind kind_;
};

}  // namespace hmem::makers
