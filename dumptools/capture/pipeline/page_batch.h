// SPDX-License-Identifier: GPL-2.0-or-later
// The unit that travels through the pipeline: which pages to look at (planned by the owner), up to
// 1 MiB of kept pages and what became of the others (read by a worker), the kept pages packed (by
// the writer's codec). Its memory is all there from the beginning: about 2.3 MiB, 1.3 without
// packing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dumptools/capture/filter/page_scan.h"
#include "dumptools/capture/pipeline/stage_times.h"
#include "hmem/base/anonymous_memory.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
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
  PageClass page_class = PageClass::kFilteredBefore;  // kExcluded
  uint16_t error_number = 0;                          // kUnreadable
};

// Where the memory of batches comes from; kLimit: there is none left.
using TakeMemory = std::function<Result<AnonymousMemory>(size_t bytes)>;

class PageBatch {
 public:
  // A plan and nothing else: no page can be read into it.
  explicit PageBatch(uint32_t page_bytes);
  // With room for pages and, if `packs`, for what they are packed to. kLimit as `take` has it.
  static Result<std::unique_ptr<PageBatch>> Make(uint32_t page_bytes, bool packs,
                                                 const TakeMemory& take = &AnonymousMemory::Take);
  // What a batch that is made so takes.
  static uint64_t MemoryBytes(uint32_t page_bytes, bool packs);
  uint64_t memory_bytes() const { return MemoryBytes(page_bytes_, packs()); }
  uint64_t locked_bytes() const;

  void Clear();
  void set_tier(uint32_t tier) { tier_ = tier; }
  uint32_t tier() const { return tier_; }

  struct PlannedRun {
    PfnRange pages;
    PageClass page_class = PageClass::kFilteredBefore;
    bool read = false;  // otherwise their fate is known:
    format::StoredFate fate = format::StoredFate::kExcluded;
    uint16_t error_number = 0;
  };

  // --- The plan, in pfn order.
  // Takes as many pages of the front of `run` as there is room for and says how many. 0: the batch
  // is full.
  uint64_t Plan(const PlannedRun& run);
  const std::vector<PlannedRun>& plan() const { return plan_; }
  // At most kMaxPageBytesPerFrame of them.
  uint32_t pages_to_read() const { return pages_to_read_; }

  // --- What became of them, told in pfn order.
  // Where the next page's bytes go; room for all pages of the plan that are still to be read.
  std::byte* tail() { return raw_.bytes().data() + head_room_ + raw_bytes_; }
  // The page at tail() is kept.
  void Keep(uint64_t pfn);
  void AddFate(const FateOfRun& run);
  // Pages that the source does not reach: no fate speaks of them.
  void AddMissing(uint64_t pages) { missing_ += pages; }
  Findings& findings() { return findings_; }
  // How long reading and packing it took; of each batch anew.
  StageTimes& times() { return times_; }
  const StageTimes& times() const { return times_; }

  bool empty() const { return kept_.empty() && fates_.empty(); }
  uint32_t page_bytes() const { return page_bytes_; }
  const std::vector<KeptRun>& kept() const { return kept_; }
  const std::vector<FateOfRun>& fates() const { return fates_; }
  uint64_t missing() const { return missing_; }
  const Findings& findings() const { return findings_; }
  // The kept pages, run behind run.
  std::span<const std::byte> raw() const { return raw_.bytes().subspan(head_room_, raw_bytes_); }

  // --- Packed, by a DumpWriter: room for all of raw() and a .hmem table of it.
  // False: there is none, and pages are stored as they are.
  bool packs() const { return !packing_.bytes().empty(); }
  std::span<std::byte> packing() { return packing_.bytes(); }
  // What was packed is the front of packing(), in pieces of these sizes, where the format has some.
  void SetPacked(size_t bytes) { packed_ = packing().first(bytes); }
  // Pages are stored as they are from now on.
  void GiveUpPacking() { packing_.Reset(); }
  std::vector<uint32_t>& piece_bytes() { return piece_bytes_; }
  // Room right in front of raw(), at most for such a table. What was packed is then that and raw()
  // as it is.
  std::span<std::byte> SetUnpacked(size_t head_bytes);
  std::span<const std::byte> packed() const { return packed_; }
  // PayloadDigest() of packed(), where the format wants one.
  void SetDigest(uint64_t digest) { digest_ = digest; }
  uint64_t digest() const { return digest_; }
  const std::vector<uint32_t>& piece_bytes() const { return piece_bytes_; }

 private:
  // How many pages from `pfn` on a frame can speak of; 0: it is too far from the first one.
  uint64_t PagesInReach(uint64_t pfn) const;

  uint32_t page_bytes_;
  uint32_t pages_max_;
  uint32_t tier_ = 0;
  std::vector<PlannedRun> plan_;
  uint32_t pages_to_read_ = 0;
  uint32_t fates_planned_ = 0;
  size_t head_room_;  // in raw_, in front of the pages
  AnonymousMemory raw_, packing_;
  size_t raw_bytes_ = 0;
  std::span<const std::byte> packed_;
  uint64_t digest_ = 0;
  std::vector<KeptRun> kept_;
  std::vector<FateOfRun> fates_;
  std::vector<uint32_t> piece_bytes_;
  uint64_t missing_ = 0;
  Findings findings_;
  StageTimes times_;
};

}  // namespace hmem::capture
