// SPDX-License-Identifier: GPL-2.0-or-later
// All batches of one run, taken before its first page is read: two a worker, so that each has one
// to go on with; a single one where the owner reads and packs itself. Spare ones let workers go on
// while the owner is held up: memory of zeros takes it long and them not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dumptools/capture/pipeline/page_batch.h"
#include "hmem/base/result.h"

namespace hmem::capture {

// With one job a worker beside the owner, on the only CPU, would do no more than take the memory of
// a batch: then there is none.
unsigned WorkersFor(unsigned jobs);

class BatchSet {
 public:
  // With more it went no faster (docs/benchmarks.md has how to measure it).
  static constexpr unsigned kMostSpare = 2;

  // For so many workers, or for as many as there is memory for, and then as many spare ones.
  // kLimit: not for a single batch, not even without packing.
  static Result<BatchSet> Take(uint32_t page_bytes, unsigned workers, unsigned spare, bool packs,
                               const TakeMemory& take);
  // How many batches they have.
  static size_t CountFor(unsigned workers, unsigned spare) {
    return workers == 0 ? 1 : 2 * size_t{workers} + spare;
  }

  unsigned workers() const { return workers_; }
  // Gives back what fewer workers do not need.
  void Shrink(unsigned workers);

  size_t size() const { return batches_.size(); }
  // The batch whose turn it is when `turn` batches went before.
  PageBatch& At(size_t turn) const { return *batches_[turn % batches_.size()]; }
  uint64_t memory_bytes() const;
  uint64_t locked_bytes() const;

 private:
  unsigned workers_ = 0, spare_ = 0;
  std::vector<std::unique_ptr<PageBatch>> batches_;
};

}  // namespace hmem::capture
