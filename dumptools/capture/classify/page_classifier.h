// SPDX-License-Identifier: GPL-2.0-or-later
// From struct pages to classes. Memory: one window of struct pages (256 KiB of 64-byte ones),
// whatever the RAM. The rules are in docs/classification.md; they agree with makedumpfile's dump
// levels but where that page says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dumptools/capture/classify/page_class.h"
#include "dumptools/capture/classify/page_layout.h"
#include "dumptools/walk/memmap.h"
#include "hmem/base/address.h"
#include "hmem/base/findings.h"

namespace hmem::capture {

struct ClassifiedRun {
  PfnRange pages;
  PageClass page_class = PageClass::kUnknown;
};

// Why one page has its class.
struct PageExplanation {
  PageClass page_class = PageClass::kUnknown;
  std::string_view rule;         // a sentence
  std::optional<Pfn> head;       // of the compound page or buddy block that decides
  VirtAddr struct_page;          // of the page itself; 0: none
  std::vector<std::byte> bytes;  // its struct page; empty: it cannot be read
  uint64_t flags = 0, mapping = 0, page_private = 0, compound_head = 0;
  uint32_t mapcount = 0;
};

// Not thread-safe. Bounded whatever the struct pages say: every page is looked at once, and at most
// two others for it; where nothing can be read for long, ever larger stretches are unknown.
class PageClassifier {
 public:
  // All must outlive it. What contradicts itself becomes a finding, and its pages are kept.
  PageClassifier(const walk::MemMap& map, const PageLayout& layout, Findings& findings);

  // The class of the first page of `range` and how many behind share it: at most to its end.
  // Fastest when called for ranges that follow one another.
  ClassifiedRun Next(PfnRange range);

  // The same answer, for one page and with its reason.
  PageExplanation Explain(Pfn pfn);

 private:
  struct Answer {
    PageClass page_class = PageClass::kUnknown;
    std::string_view rule;
  };
  struct Head {
    VirtAddr address;
    Pfn pfn;
    Answer answer;
    bool poisoned_whole = false;  // hugetlb: the kernel marks the head for any page of it
  };

  // Of the page at the front of `range`, and those that are told with it.
  struct Step {
    Answer answer;
    uint64_t pages = 1;
    std::optional<Pfn> head;
  };
  Step Take(PfnRange range);
  Step TakePresent(const walk::MemMap::Section& section, PfnRange range);
  // The window holds `pfn` afterwards; false: its struct page cannot be read, nor can those of
  // `unreadable_` pages from there on.
  bool Load(const walk::MemMap::Section& section, Pfn pfn);
  // Bytes of a struct page, from the window where it is there. Empty: cannot be read.
  std::span<const std::byte> PageBytes(const walk::MemMap::Section& section, Pfn pfn,
                                       std::vector<std::byte>& buffer) const;
  // A free block that begins at the front of `range`, or that page alone where its order is none.
  Step TakeFree(const walk::MemMap::Section& section, PfnRange range, uint64_t order);
  // A free block that begins before `pfn` and reaches over it.
  std::optional<PfnRange> EnclosingBlock(const walk::MemMap::Section& section, Pfn pfn);
  // Of the free block that begins with this page, which is no tail; nothing: none does.
  std::optional<uint64_t> FreeOrder(std::span<const std::byte> page) const;
  // Pages of a free block of that order at `pfn`; 0: none is so large, lies there, or reaches out
  // of its section.
  uint64_t BlockPages(const walk::MemMap::Section& section, Pfn pfn, uint64_t order) const;

  // The head that a tail page names, when that can be one.
  const Head* HeadOf(const walk::MemMap::Section& section, Pfn tail, VirtAddr head);
  // Of a page that is no tail. `behind` is the struct page behind it; empty: not to be had.
  Answer Decide(std::span<const std::byte> page, std::span<const std::byte> behind) const;
  bool IsHugetlb(std::span<const std::byte> page, std::span<const std::byte> behind,
                 uint32_t type) const;
  bool Is(std::optional<uint32_t> wanted, uint32_t type) const {
    return wanted && (type & layout_.type_mask) == *wanted;
  }

  const walk::MemMap& map_;
  const PageLayout& layout_;
  Findings& findings_;

  // Struct pages of pfns from window_first_ on; empty at first.
  Pfn window_first_;
  uint64_t window_pages_ = 0;
  uint64_t wanted_pages_ = 0;  // of the next window, before it is doubled
  std::vector<std::byte> window_;
  uint64_t unreadable_ = 0;
  uint64_t failures_ = 0;  // to read struct pages, one behind the other

  Pfn next_{~uint64_t{0}};  // behind what was told last
  PfnRange free_block_{};   // the last free block
  std::optional<Head> head_;
  std::vector<std::byte> head_bytes_, behind_bytes_;
};

}  // namespace hmem::capture
