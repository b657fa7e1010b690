// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_batch.h"

#include <algorithm>
#include <limits>

namespace hmem::capture {

PageBatch::PageBatch(uint32_t page_bytes)
    : page_bytes_(page_bytes),
      pages_max_(
          std::max<uint32_t>(1, static_cast<uint32_t>(format::kMaxPageBytesPerFrame / page_bytes))),
      raw_(uint64_t{pages_max_} * page_bytes),
      // A block that does not shrink is stored raw, so the payload never exceeds head and pages.
      packed_(format::PagesHeadSize(pages_max_, pages_max_) + raw_.size()) {
  kept_.reserve(pages_max_);
  fates_.reserve(format::kMaxFateRuns);
}

void PageBatch::Clear() {
  raw_bytes_ = packed_bytes_ = 0;
  kept_.clear();
  fates_.clear();
}

uint32_t PageBatch::room() const {
  size_t pages = pages_max_ - raw_bytes_ / page_bytes_;
  return static_cast<uint32_t>(std::min(pages, format::kMaxFateRuns - fates_.size()));
}

uint32_t PageBatch::PagesInReach(uint64_t pfn) const {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  uint64_t first = pfn;
  if (!kept_.empty()) first = std::min(first, kept_.front().first_pfn);
  if (!fates_.empty()) first = std::min(first, fates_.front().first_pfn);
  return static_cast<uint32_t>(kMost - std::min(pfn - first, kMost));
}

void PageBatch::Keep(uint64_t pfn) {
  raw_bytes_ += page_bytes_;
  if (!kept_.empty() && kept_.back().first_pfn + kept_.back().count == pfn) {
    ++kept_.back().count;
  } else {
    kept_.push_back({.first_pfn = pfn, .count = 1});
  }
}

void PageBatch::AddFate(uint64_t pfn, format::StoredFate fate, uint8_t page_class,
                        uint16_t error_number, uint32_t pages) {
  if (!fates_.empty()) {
    FateOfRun& last = fates_.back();
    if (last.first_pfn + last.count == pfn && last.fate == fate && last.page_class == page_class &&
        last.error_number == error_number) {
      last.count += pages;
      return;
    }
  }
  fates_.push_back({.first_pfn = pfn,
                    .count = pages,
                    .fate = fate,
                    .page_class = page_class,
                    .error_number = error_number});
}

Status PageBatch::Pack(const codec::Codec& codec, int level) {
  packed_bytes_ = 0;
  if (kept_.empty()) return {};
  format::PagesHead head;
  head.block_raw_bytes = std::max(static_cast<uint32_t>(format::kBlockRawBytes), page_bytes_);
  for (const KeptRun& run : kept_) {
    head.runs.push_back({.first = static_cast<uint32_t>(run.first_pfn - kept_.front().first_pfn),
                         .count = run.count});
  }
  size_t blocks = (raw_bytes_ + head.block_raw_bytes - 1) / head.block_raw_bytes;
  size_t at = format::PagesHeadSize(head.runs.size(), blocks);
  size_t head_bytes = at;
  for (size_t i = 0; i < blocks; ++i) {
    size_t start = i * head.block_raw_bytes;
    auto raw = std::span<const std::byte>(raw_).subspan(
        start, std::min<size_t>(head.block_raw_bytes, raw_bytes_ - start));
    auto out = std::span(packed_).subspan(at, raw.size());
    format::BlockEntry entry{.codec = 0, .stored_bytes = static_cast<uint32_t>(raw.size())};
    // kLimit: it would not shrink.
    Result<size_t> packed = codec.hmem_id == 0 ? Result<size_t>(raw.size())
                                               : codec.pack(raw, out.first(raw.size() - 1), level);
    if (packed && codec.hmem_id != 0) {
      entry = {.codec = codec.hmem_id, .stored_bytes = static_cast<uint32_t>(*packed)};
    } else if (!packed && packed.error().code() != ErrorCode::kLimit) {
      return std::unexpected(packed.error());
    } else {
      std::copy(raw.begin(), raw.end(), out.begin());
    }
    head.blocks.push_back(entry);
    at += entry.stored_bytes;
  }
  format::EncodePagesHead(head, std::span(packed_).first(head_bytes));
  packed_bytes_ = at;
  return {};
}

}  // namespace hmem::capture
