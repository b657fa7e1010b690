// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/classify/page_classifier.h"

#include <fmt/format.h>

#include <algorithm>

namespace hmem::capture {

using walk::MemMap;

namespace {

// Struct pages read at a time: from few, where free blocks are stepped over, to many.
constexpr uint64_t kFirstWindowPages = 16;
constexpr uint64_t kWindowPages = 4096;
// A range that is told in one piece: progress and deadlines are looked at between them.
constexpr uint64_t kMaxRunPages = 1 << 22;
// 16 GiB pages of 4 KiB: larger than any compound page there is.
constexpr uint64_t kMaxCompoundPages = 1 << 22;
constexpr uint64_t kSmallPageBytes = 4096;
constexpr uint64_t kFailuresBeforeDoubling = 64;

constexpr uint64_t kTailBit = 1;
constexpr uint64_t kAnonBit = 1;  // PAGE_MAPPING_ANON; set for KSM pages, too

constexpr std::string_view kFreeRule =
    "in a block of the buddy allocator, or not yet accepted from the hypervisor";

std::string PlaceOf(Pfn pfn) { return fmt::format("pfn {:#x}", pfn.value); }

}  // namespace

PageClassifier::PageClassifier(const MemMap& map, const PageLayout& layout, Findings& findings)
    : map_(map), layout_(layout), findings_(findings) {
  window_.resize(kWindowPages * layout_.struct_page_bytes);
}

ClassifiedRun PageClassifier::Next(PfnRange range) {
  ClassifiedRun run{.pages = {range.start, range.start}};
  while (run.pages.end < range.end && run.pages.size() < kMaxRunPages) {
    Step step = Take({run.pages.end, range.end});
    if (run.pages.empty()) {
      run.page_class = step.answer.page_class;
    } else if (step.answer.page_class != run.page_class) {
      break;
    }
    run.pages.end = run.pages.end + step.pages;
    next_ = run.pages.end;
  }
  return run;
}

PageClassifier::Step PageClassifier::Take(PfnRange range) {
  const MemMap::Section& section = map_.SectionOf(range.start);
  PfnRange here{range.start, std::min(range.end, section.pages.end)};
  switch (section.state) {
    case MemMap::State::kPresent:
      return TakePresent(section, here);
    case MemMap::State::kOffline:
      return {.answer = {PageClass::kOffline, "its memory block was taken offline"},
              .pages = here.size(),
              .head = {}};
    case MemMap::State::kAbsent:
      break;
  }
  if (section.failure) {
    findings_.Add(Severity::kInfo, "classify.no-section", PlaceOf(here.start),
                  fmt::format("mem_section cannot be read ({}): pages of unknown class are kept",
                              ErrorCodeName(*section.failure)));
  }
  return {.answer = {PageClass::kUnknown, "the kernel has no struct page for it"},
          .pages = here.size(),
          .head = {}};
}

PageClassifier::Step PageClassifier::TakeFree(const MemMap::Section& section, PfnRange range,
                                              uint64_t order) {
  uint64_t pages = BlockPages(section, range.start, order);
  if (pages == 0) {
    findings_.Add(Severity::kInfo, "classify.order", PlaceOf(range.start),
                  "a free block whose order is none: one page of it counts as free");
    pages = 1;
  }
  free_block_ = {range.start, range.start + pages};
  return {.answer = {PageClass::kFree, kFreeRule},
          .pages = std::min(range.size(), pages),
          .head = range.start};
}

PageClassifier::Step PageClassifier::TakePresent(const MemMap::Section& section, PfnRange range) {
  const Pfn pfn = range.start;
  if (pfn != next_ && !free_block_.contains(pfn)) {
    if (auto block = EnclosingBlock(section, pfn)) free_block_ = *block;
  }
  if (free_block_.contains(pfn)) {
    return {.answer = {PageClass::kFree, kFreeRule},
            .pages = std::min(range.end, free_block_.end) - pfn,
            .head = free_block_.start};
  }
  if (!Load(section, pfn)) {
    findings_.Add(Severity::kInfo, "classify.unreadable", PlaceOf(pfn),
                  "struct pages cannot be read: their pages are kept as of unknown class");
    return {.answer = {PageClass::kUnknown, "its struct page cannot be read"},
            .pages = std::min(range.size(), unreadable_),
            .head = {}};
  }
  std::span<const std::byte> page = PageBytes(section, pfn, head_bytes_);
  const bool poisoned = (layout_.Word(page, layout_.flags) & layout_.hwpoison) != 0;
  static constexpr Answer kPoisonedPage{PageClass::kPoisoned, "PG_hwpoison of the page is set"};

  VirtAddr head_address{0};
  std::span<const std::byte> behind;
  const uint64_t link = layout_.Word(page, layout_.compound_head);
  if ((link & kTailBit) != 0) {
    head_address = VirtAddr(link - kTailBit);
  } else if ((layout_.Word(page, layout_.flags) & layout_.head) != 0) {
    if (pfn + 1 < section.pages.end) behind = PageBytes(section, pfn + 1, behind_bytes_);
    // The map of a hugetlb page may be one page over and over: what lies first in each of its
    // pages looks like the head, and only the struct page behind tells the true one
    // (page_fixed_fake_head).
    const VirtAddr own = map_.AddressOf(section, pfn);
    if (own.value % kSmallPageBytes == 0 && !behind.empty()) {
      uint64_t next_link = layout_.Word(behind, layout_.compound_head);
      if ((next_link & kTailBit) != 0 && next_link - kTailBit != own.value)
        head_address = VirtAddr(next_link - kTailBit);
    }
  }

  if (head_address.value != 0) {
    const Head* head = HeadOf(section, pfn, head_address);
    if (head == nullptr) {
      findings_.Add(Severity::kInfo, "classify.compound", PlaceOf(pfn),
                    "tail pages whose head is none: kept as kernel pages");
      return {.answer = {poisoned ? kPoisonedPage.page_class : PageClass::kKernel,
                         "a tail page whose compound_head leads to no head"},
              .pages = 1,
              .head = {}};
    }
    if (head->poisoned_whole) {
      return {.answer = {PageClass::kPoisoned, "PG_hwpoison of the hugetlb page is set"},
              .pages = 1,
              .head = head->pfn};
    }
    return {.answer = poisoned ? kPoisonedPage : head->answer, .pages = 1, .head = head->pfn};
  }

  if (poisoned) return {.answer = kPoisonedPage, .pages = 1, .head = {}};
  if (auto order = FreeOrder(page)) return TakeFree(section, range, *order);
  return {.answer = Decide(page, behind), .pages = 1, .head = {}};
}

bool PageClassifier::Load(const MemMap::Section& section, Pfn pfn) {
  if (pfn >= window_first_ && pfn - window_first_ < window_pages_) return true;
  const uint64_t bytes = layout_.struct_page_bytes;
  const bool follows = window_pages_ != 0 && pfn == window_first_ + window_pages_;
  wanted_pages_ = follows ? std::min(2 * wanted_pages_, kWindowPages) : kFirstWindowPages;
  uint64_t pages = std::min(wanted_pages_, section.pages.end - pfn);
  window_pages_ = 0;
  if (!map_.Read(section, pfn, std::span(window_).first(pages * bytes))) {
    // As far as the page that holds this one, whatever is wrong further on.
    uint64_t left = kSmallPageBytes - map_.AddressOf(section, pfn).value % kSmallPageBytes;
    pages = std::min(pages, std::max<uint64_t>(left / bytes, 1));
    if (!map_.Read(section, pfn, std::span(window_).first(pages * bytes))) {
      // One by one, the pages of a map that claims 2^50 would take years.
      const uint64_t doublings = std::min<uint64_t>(failures_++ / kFailuresBeforeDoubling, 32);
      unreadable_ = std::min(pages << doublings, section.pages.end - pfn);
      return false;
    }
  }
  failures_ = 0;
  window_first_ = pfn;
  window_pages_ = pages;
  return true;
}

std::span<const std::byte> PageClassifier::PageBytes(const MemMap::Section& section, Pfn pfn,
                                                     std::vector<std::byte>& buffer) const {
  const uint64_t bytes = layout_.struct_page_bytes;
  if (pfn >= window_first_ && pfn - window_first_ < window_pages_)
    return std::span(window_).subspan((pfn - window_first_) * bytes, bytes);
  buffer.resize(bytes);
  if (!map_.Read(section, pfn, buffer)) return {};
  return buffer;
}

std::optional<uint64_t> PageClassifier::FreeOrder(std::span<const std::byte> page) const {
  const uint64_t flags = layout_.Word(page, layout_.flags);
  if ((flags & layout_.hwpoison) != 0) return std::nullopt;
  const uint32_t type = layout_.Type(page);
  if (Is(layout_.buddy, type) && (flags & layout_.slab_bit) == 0)
    return layout_.Word(page, layout_.page_private);
  if (Is(layout_.unaccepted, type)) return layout_.orders - 1;
  return std::nullopt;
}

uint64_t PageClassifier::BlockPages(const MemMap::Section& section, Pfn pfn, uint64_t order) const {
  if (order >= layout_.orders) return 0;
  const uint64_t pages = uint64_t{1} << order;
  return pfn.value % pages == 0 && pages <= section.pages.end - pfn ? pages : 0;
}

std::optional<PfnRange> PageClassifier::EnclosingBlock(const MemMap::Section& section, Pfn pfn) {
  for (uint32_t order = 1; order < layout_.orders; ++order) {
    Pfn start(pfn.value >> order << order);
    if (start == pfn) continue;
    if (start < section.pages.start) break;
    std::span<const std::byte> page = PageBytes(section, start, head_bytes_);
    if (page.empty() || (layout_.Word(page, layout_.compound_head) & kTailBit) != 0) continue;
    const std::optional<uint64_t> free_order = FreeOrder(page);
    if (!free_order) continue;
    const uint64_t pages = BlockPages(section, start, *free_order);
    if (pages > pfn - start) return PfnRange{start, start + pages};
  }
  return std::nullopt;
}

const PageClassifier::Head* PageClassifier::HeadOf(const MemMap::Section& section, Pfn tail,
                                                   VirtAddr address) {
  if (!head_ || head_->address != address) {
    std::optional<Pfn> pfn = map_.PfnOf(section, address);
    if (!pfn || *pfn >= tail || tail - *pfn >= kMaxCompoundPages) return nullptr;
    std::span<const std::byte> page = PageBytes(section, *pfn, head_bytes_);
    std::span<const std::byte> behind = PageBytes(section, *pfn + 1, behind_bytes_);
    if (page.empty() || (layout_.Word(page, layout_.compound_head) & kTailBit) != 0 ||
        (layout_.head != 0 && (layout_.Word(page, layout_.flags) & layout_.head) == 0)) {
      return nullptr;
    }
    head_ = {.address = address, .pfn = *pfn, .answer = Decide(page, behind)};
    head_->poisoned_whole = head_->answer.page_class == PageClass::kHugetlb &&
                            (layout_.Word(page, layout_.flags) & layout_.hwpoison) != 0;
  }
  if (head_->pfn >= tail || tail - head_->pfn >= kMaxCompoundPages) return nullptr;
  return &*head_;
}

bool PageClassifier::IsHugetlb(std::span<const std::byte> page, std::span<const std::byte> behind,
                               uint32_t type) const {
  if (layout_.hugetlb_type) return Is(layout_.hugetlb_type, type);
  if ((layout_.Word(page, layout_.flags) & layout_.head) == 0 || behind.empty()) return false;
  if (layout_.hugetlb_bit != 0)
    return (layout_.Word(behind, layout_.flags) & layout_.hugetlb_bit) != 0;
  return layout_.dtor && static_cast<uint32_t>(behind[*layout_.dtor]) == layout_.hugetlb_dtor;
}

PageClassifier::Answer PageClassifier::Decide(std::span<const std::byte> page,
                                              std::span<const std::byte> behind) const {
  const uint64_t flags = layout_.Word(page, layout_.flags);
  const uint32_t type = layout_.Type(page);
  if (Is(layout_.slab_type, type) || (flags & layout_.slab_bit) != 0)
    return {PageClass::kSlab, "a slab"};
  if (Is(layout_.offline, type)) return {PageClass::kOffline, "PageOffline: given away"};
  if (Is(layout_.table, type)) return {PageClass::kPageTable, "PageTable"};
  if (IsHugetlb(page, behind, type)) return {PageClass::kHugetlb, "a hugetlb page"};
  if ((layout_.Word(page, layout_.mapping) & kAnonBit) != 0)
    return {PageClass::kAnonymous, "PAGE_MAPPING_ANON of mapping is set"};
  const uint64_t swap = layout_.swapcache | layout_.swapbacked;
  if ((flags & layout_.lru) != 0 || (swap != 0 && (flags & swap) == swap)) {
    if ((flags & layout_.private_bit) != 0)
      return {PageClass::kPrivateCache, "PG_lru or swap cache, with PG_private"};
    return {PageClass::kCache, "PG_lru or swap cache, without PG_private"};
  }
  return {PageClass::kKernel, "none of the other rules holds"};
}

PageExplanation PageClassifier::Explain(Pfn pfn) {
  PageExplanation told;
  next_ = Pfn(~uint64_t{0});
  free_block_ = {};
  Step step = Take({pfn, pfn + 1});
  told.page_class = step.answer.page_class;
  told.rule = step.answer.rule;
  told.head = step.head;
  const MemMap::Section& section = map_.SectionOf(pfn);
  if (section.state != MemMap::State::kPresent) return told;
  told.struct_page = map_.AddressOf(section, pfn);
  std::vector<std::byte> buffer;
  std::span<const std::byte> page = PageBytes(section, pfn, buffer);
  told.bytes.assign(page.begin(), page.end());
  if (page.empty()) return told;
  told.flags = layout_.Word(page, layout_.flags);
  told.mapping = layout_.Word(page, layout_.mapping);
  told.page_private = layout_.Word(page, layout_.page_private);
  told.compound_head = layout_.Word(page, layout_.compound_head);
  told.mapcount = layout_.Type(page);
  return told;
}

}  // namespace hmem::capture
