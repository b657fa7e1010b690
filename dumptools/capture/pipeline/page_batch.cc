// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_batch.h"

#include <algorithm>
#include <limits>
#include <new>

namespace hmem::capture {
namespace {

uint32_t PagesOf(uint32_t page_bytes) {
  return std::max<uint32_t>(1, static_cast<uint32_t>(format::kMaxPageBytesPerFrame / page_bytes));
}

size_t HeadRoom(uint32_t pages) {
  return format::AlignUp(format::PagesHeadSize(pages, pages), format::kFrameAlign);
}

size_t BufferBytes(uint32_t page_bytes) {
  const uint32_t pages = PagesOf(page_bytes);
  return HeadRoom(pages) + uint64_t{pages} * page_bytes;
}

}  // namespace

PageBatch::PageBatch(uint32_t page_bytes)
    : page_bytes_(page_bytes), pages_max_(PagesOf(page_bytes)), head_room_(HeadRoom(pages_max_)) {
  plan_.reserve(format::kMaxFateRuns);
}

Result<std::unique_ptr<PageBatch>> PageBatch::Make(uint32_t page_bytes, bool packs,
                                                   const TakeMemory& take) {
  try {
    auto batch = std::make_unique<PageBatch>(page_bytes);
    batch->kept_.reserve(batch->pages_max_);
    batch->fates_.reserve(format::kMaxFateRuns);
    batch->piece_bytes_.reserve(batch->pages_max_);
    HMEM_ASSIGN(batch->raw_, take(BufferBytes(page_bytes)));
    if (packs) {
      HMEM_ASSIGN(batch->packing_, take(BufferBytes(page_bytes)));
    }
    return batch;
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kLimit, "no memory for the lists of a batch");
  }
}

uint64_t PageBatch::MemoryBytes(uint32_t page_bytes, bool packs) {
  const uint64_t lists = format::kMaxFateRuns * (sizeof(PlannedRun) + sizeof(FateOfRun)) +
                         PagesOf(page_bytes) * (sizeof(KeptRun) + sizeof(uint32_t));
  return (packs ? 2 : 1) * BufferBytes(page_bytes) + lists;
}

uint64_t PageBatch::locked_bytes() const {
  return (raw_.locked() ? raw_.bytes().size() : 0) +
         (packing_.locked() ? packing_.bytes().size() : 0);
}

void PageBatch::Clear() {
  tier_ = 0;
  plan_.clear();
  pages_to_read_ = fates_planned_ = 0;
  raw_bytes_ = 0;
  packed_ = {};
  digest_ = 0;
  kept_.clear();
  fates_.clear();
  piece_bytes_.clear();
  missing_ = 0;
  findings_ = Findings();
  times_ = {};
}

std::span<std::byte> PageBatch::SetUnpacked(size_t head_bytes) {
  auto all = raw_.bytes().subspan(head_room_ - head_bytes, head_bytes + raw_bytes_);
  packed_ = all;
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
