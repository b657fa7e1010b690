// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/batch_set.h"

#include <algorithm>
#include <thread>

namespace hmem::capture {

unsigned WorkersFor(unsigned jobs) {
  return jobs > 1 || std::thread::hardware_concurrency() > 1 ? jobs : 0;
}

Result<BatchSet> BatchSet::Take(uint32_t page_bytes, unsigned workers, unsigned spare, bool packs,
                                const TakeMemory& take) {
  BatchSet set;
  set.spare_ = spare;
  set.batches_.reserve(CountFor(workers, spare));
  while (set.batches_.size() < CountFor(workers, spare)) {
    auto batch = PageBatch::Make(page_bytes, packs, take);
    if (!batch) break;
    set.batches_.push_back(*std::move(batch));
  }
  if (set.batches_.empty()) {
    HMEM_ASSIGN(auto batch, PageBatch::Make(page_bytes, false, take));
    set.batches_.push_back(std::move(batch));
  }
  set.Shrink(std::min(workers, static_cast<unsigned>(set.batches_.size() / 2)));
  return set;
}

void BatchSet::Shrink(unsigned workers) {
  workers_ = workers;
  batches_.resize(std::min(batches_.size(), CountFor(workers, spare_)));
}

uint64_t BatchSet::memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& batch : batches_) bytes += batch->memory_bytes();
  return bytes;
}

uint64_t BatchSet::locked_bytes() const {
  uint64_t bytes = 0;
  for (const auto& batch : batches_) bytes += batch->locked_bytes();
  return bytes;
}

}  // namespace hmem::capture
