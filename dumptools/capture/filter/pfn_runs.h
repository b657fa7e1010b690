// SPDX-License-Identifier: GPL-2.0-or-later
// A set of pages in bounded memory: sorted, disjoint runs of pfns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hmem/base/address.h"

namespace hmem::capture {

class PfnRuns {
 public:
  // 16 bytes a run: `max_bytes` of them at most, while pages are added too.
  explicit PfnRuns(size_t max_bytes);

  // Pages may be added in any order and more than once. False: there is no room, also not after
  // runs that touch were made one; the pages are not in the set.
  bool Add(PfnRange pages);
  // Sorts what was added and makes one of runs that touch.
  void Seal();

  std::span<const PfnRange> runs() const { return runs_; }  // after Seal()
  bool empty() const { return runs_.empty(); }
  // After Seal(): the first run that ends behind `pfn`, as an index; runs().size(): none.
  size_t FirstEndingBehind(Pfn pfn) const;

 private:
  size_t max_runs_;
  std::vector<PfnRange> runs_;
  size_t sealed_ = 0;  // so many are sorted and disjoint
};

}  // namespace hmem::capture
