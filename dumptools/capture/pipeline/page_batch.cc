// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_batch.h"

#include <algorithm>
#include <limits>

namespace hmem::capture {
PageBatch::PageBatch(uint32_t page_bytes)
    : page_bytes_(page_bytes),
      pages_max_(
          std::max<uint32_t>(1, static_cast<uint32_t>(format::kMaxPageBytesPerFrame / page_bytes))),
      head_room_(
          format::AlignUp(format::PagesHeadSize(pages_max_, pages_max_), format::kFrameAlign)),
      raw_(head_room_ + uint64_t{pages_max_} * page_bytes),
      packed_(raw_.size()) {
  plan_.reserve(format::kMaxFateRuns);
  kept_.reserve(pages_max_);
  fates_.reserve(format::kMaxFateRuns);
  piece_bytes_.reserve(pages_max_);
}

void PageBatch::Clear() {
  tier_ = 0;
  plan_.clear();
  pages_to_read_ = fates_planned_ = 0;
  raw_bytes_ = 0;
  packed_bytes_ = {};
  digest_ = 0;
  kept_.clear();
  fates_.clear();
  piece_bytes_.clear();
  missing_ = 0;
  findings_ = Findings();
}

std::span<std::byte> PageBatch::SetUnpacked(size_t head_bytes) {
  auto all = std::span(raw_).subspan(head_room_ - head_bytes, head_bytes + raw_bytes_);
  packed_bytes_ = all;
  return all.first(head_bytes);
}

uint64_t PageBatch::PagesInReach(uint64_t pfn) const {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  uint64_t first = plan_.empty() ? pfn : plan_.front().pages.start.value;
  return kMost - std::min(pfn - first, kMost);
}

uint64_t PageBatch::Plan(const PlannedRun& run) {
  // One FATE frame holds them all, even if every page that is read gets a fate of its own.
  if (fates_planned_ + pages_max_ >= format::kMaxFateRuns) return 0;
  uint64_t pages = std::min(run.pages.size(), PagesInReach(run.pages.start.value));
  if (run.read) pages = std::min<uint64_t>(pages, pages_max_ - pages_to_read_);
  if (pages == 0) return 0;
  plan_.push_back(run);
  plan_.back().pages.end = run.pages.start + pages;
  if (run.read) {
    pages_to_read_ += static_cast<uint32_t>(pages);
  } else {
    ++fates_planned_;
  }
  return pages;
}

void PageBatch::Keep(uint64_t pfn) {
  raw_bytes_ += page_bytes_;
  if (!kept_.empty() && kept_.back().first_pfn + kept_.back().count == pfn) {
    ++kept_.back().count;
  } else {
    kept_.push_back({.first_pfn = pfn, .count = 1});
  }
}

void PageBatch::AddFate(const FateOfRun& run) {
  if (!fates_.empty()) {
    FateOfRun& last = fates_.back();
    if (last.first_pfn + last.count == run.first_pfn && last.fate == run.fate &&
        last.page_class == run.page_class && last.error_number == run.error_number &&
        run.count <= std::numeric_limits<uint32_t>::max() - last.count) {
      last.count += run.count;
      return;
    }
  }
  fates_.push_back(run);
}

}  // namespace hmem::capture
