// SPDX-License-Identifier: GPL-2.0-or-later
// Walks the RAM of a source in address order and sorts its pages into batches: kept, zero, left out
// before, unreadable.
#pragma once

#include <cstdint>
#include <functional>

#include "dumptools/capture/pipeline/page_batch.h"
#include "hmem/base/findings.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

struct PageCounts {
  uint64_t kept = 0;
  uint64_t zero = 0;
  uint64_t excluded = 0;
  uint64_t unreadable = 0;
  uint64_t missing = 0;  // not in the source, which was itself cut

  uint64_t all() const { return kept + zero + excluded + unreadable + missing; }
};

class PageReader {
 public:
  // Class number of pages that the source itself was made without.
  static constexpr uint8_t kFilteredBefore = 0;

  // Both must outlive it. `keep_zero`: zero pages are stored like others.
  PageReader(const source::MemorySource& source, bool keep_zero, Findings& findings);

  // The next pages, in pfn order; false when there are none left. Never fails: what cannot be read
  // gets a fate.
  bool Fill(PageBatch& batch);

  // What was put into batches so far.
  const PageCounts& counts() const { return counts_; }
  uint64_t ram_pages() const { return ram_pages_; }

 private:
  // Both return the pfn behind what they dealt with: `pages` from `pfn` on, and more of a missing
  // stretch that goes on behind them, up to `end`.
  uint64_t Sort(PageBatch& batch, uint64_t pfn, uint32_t pages, uint64_t end);
  uint64_t ReadSingly(PageBatch& batch, uint64_t pfn, uint32_t pages, uint64_t end);
  // What became of pages that cannot be read, as the first of them was told to be.
  void TakeMissing(PageBatch& batch, PfnRange pages, const Error& error);
  // Takes one page whose bytes are at `bytes`, somewhere at or behind the tail.
  void Take(PageBatch& batch, uint64_t pfn, const std::byte* bytes);

  const source::MemorySource& source_;
  bool keep_zero_;
  Findings& findings_;
  PageCounts counts_;
  uint64_t ram_pages_ = 0;
  size_t range_ = 0;
  uint64_t next_pfn_ = 0;
  bool inside_ = false;  // next_pfn_ is in range_
};

// True when all bytes are zero. `bytes` is a multiple of 8 long.
bool IsZero(std::span<const std::byte> bytes);

}  // namespace hmem::capture
