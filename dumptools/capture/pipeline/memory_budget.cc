// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "dumptools/capture/pipeline/batch_set.h"

namespace hmem::capture {
namespace {

// Windows of struct pages of three scans, the writer's lists and cursors, small reads' cache: what
// is taken only once pages are read.
constexpr uint64_t kScanBytes = 2 << 20;
// The part of a worker's stack that is used, and what its allocator keeps.
constexpr uint64_t kThreadBytes = 256 << 10;

std::string Kib(uint64_t bytes) { return fmt::format("{} KiB", bytes >> 10); }

void Tell(const MemoryRequest& request, const MemoryBudget& budget, bool compresses,
          Findings& findings) {
  const std::string place = fmt::format("limit {}", Kib(*budget.limit_bytes));
  if (budget.workers != request.workers) {
    findings.Add(Severity::kInfo, "memory.fewer-workers", place,
                 fmt::format("the memory limit of {} has room for {} of {} workers",
                             Kib(*budget.limit_bytes), budget.workers, request.workers));
  }
  if (compresses && !budget.compress) {
    findings.Add(Severity::kInfo, "memory.no-compression", place,
                 fmt::format("the memory limit of {} has no room for packing: pages are stored as "
                             "they are",
                             Kib(*budget.limit_bytes)));
  }
  if (!budget.fits) {
    findings.Add(Severity::kInfo, "memory.over-limit", place,
                 fmt::format("a dump takes {} at the very least, more than the memory limit of {}: "
                             "made all the same",
                             Kib(budget.needed_bytes), Kib(*budget.limit_bytes)));
  }
}

}  // namespace

std::optional<uint64_t> MemoryLimit(const ProcessMemory& now) {
  if (!now.available) return std::nullopt;
  return now.anonymous.value_or(0) + *now.available / 2;
}

uint64_t CaptureBytes(const MemoryRequest& request, unsigned workers, bool compress,
                      unsigned spare_batches) {
  const uint64_t packer =
      compress ? request.codec->work_bytes(request.block_bytes, request.level) : 0;
  return kScanBytes +
         BatchSet::CountFor(workers, spare_batches) *
             PageBatch::MemoryBytes(request.page_bytes, compress) +
         std::max(workers, 1u) * packer + workers * kThreadBytes;
}

MemoryBudget DecideMemory(const MemoryRequest& request, const ProcessMemory& now,
                          Findings& findings) {
  const bool compresses = request.codec->name != "none";
  MemoryBudget budget{.limit_bytes = request.limit_bytes ? request.limit_bytes : MemoryLimit(now),
                      .workers = request.workers,
                      .compress = compresses};
  auto needed = [&] {
    return now.anonymous.value_or(0) +
           CaptureBytes(request, budget.workers, budget.compress, budget.spare_batches);
  };
  // Nobody is told of them: without them it only takes longer.
  if (budget.workers > 0) budget.spare_batches = BatchSet::kMostSpare;
  if (budget.limit_bytes) {
    while (budget.spare_batches > 0 && needed() > *budget.limit_bytes) --budget.spare_batches;
    while (budget.workers > 0 && needed() > *budget.limit_bytes) --budget.workers;
    if (needed() > *budget.limit_bytes) budget.compress = false;
    budget.fits = needed() <= *budget.limit_bytes;
  }
  budget.needed_bytes = needed();
  if (budget.limit_bytes) Tell(request, budget, compresses, findings);
  return budget;
}

}  // namespace hmem::capture
