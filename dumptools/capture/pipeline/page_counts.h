// SPDX-License-Identifier: GPL-2.0-or-later
// How many pages became what.
#pragma once

#include <array>
#include <cstdint>

#include "dumptools/capture/classify/page_class.h"
#include "dumptools/capture/pipeline/page_batch.h"

namespace hmem::capture {

struct PageCounts {
  uint64_t kept = 0;
  uint64_t zero = 0;
  uint64_t excluded = 0;
  uint64_t unreadable = 0;
  uint64_t missing = 0;  // not in the source, which was itself cut
  // Of each class: pages that were read (zero ones included) and pages that were left out.
  std::array<uint64_t, kPageClasses> read_by_class{};
  std::array<uint64_t, kPageClasses> excluded_by_class{};

  uint64_t all() const { return kept + zero + excluded + unreadable + missing; }
  void Add(const PageBatch& batch);
  // Takes pages back that were added with a fate, and calls them missing.
  void Lose(const format::FateRun& run);
};

}  // namespace hmem::capture
