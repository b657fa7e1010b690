// SPDX-License-Identifier: GPL-2.0-or-later
// The unit that travels through the pipeline: up to 1 MiB of kept pages and what became of the
// others on the way. Buffers are allocated once: about 2.1 MiB a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hmem/base/result.h"
#include "hmem/codec/codec.h"
#include "hmem/format/hmem_frame.h"

namespace hmem::capture {

struct KeptRun {
  uint64_t first_pfn = 0;
  uint32_t count = 0;
};

struct FateOfRun {
  uint64_t first_pfn = 0;
  uint32_t count = 0;
  format::StoredFate fate = format::StoredFate::kZero;
  uint8_t page_class = 0;
  uint16_t error_number = 0;
};

class PageBatch {
 public:
  explicit PageBatch(uint32_t page_bytes);

  void Clear();
  // Room for so many more kept pages, all of which might get a fate instead.
  uint32_t room() const;
  // Where the next page's bytes go.
  std::byte* tail() { return raw_.data() + raw_bytes_; }
  // How many pages from `pfn` on, which lies behind all that were put in, a frame can speak of; 0:
  // it is too far from the first one.
  uint32_t PagesInReach(uint64_t pfn) const;
  // The page at tail() is kept.
  void Keep(uint64_t pfn);
  // `pages` in a row, at most PagesInReach(pfn).
  void AddFate(uint64_t pfn, format::StoredFate fate, uint8_t page_class, uint16_t error_number,
               uint32_t pages = 1);

  bool empty() const { return kept_.empty() && fates_.empty(); }
  uint32_t page_bytes() const { return page_bytes_; }
  const std::vector<KeptRun>& kept() const { return kept_; }
  const std::vector<FateOfRun>& fates() const { return fates_; }
  // The kept pages, run behind run.
  std::span<const std::byte> raw() const { return std::span(raw_).first(raw_bytes_); }
  uint32_t raw_bytes() const { return static_cast<uint32_t>(raw_bytes_); }

  // Packs the kept pages into payload(): the PAGES head and its blocks. A block that does not
  // shrink is stored raw.
  Status Pack(const codec::Codec& codec, int level);
  std::span<const std::byte> payload() const { return std::span(packed_).first(packed_bytes_); }

 private:
  uint32_t page_bytes_;
  uint32_t pages_max_;
  std::vector<std::byte> raw_, packed_;
  size_t raw_bytes_ = 0, packed_bytes_ = 0;
  std::vector<KeptRun> kept_;
  std::vector<FateOfRun> fates_;
};

}  // namespace hmem::capture
