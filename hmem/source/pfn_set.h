// SPDX-License-Identifier: GPL-2.0-or-later
// A set of pfns as merged ranges: what a dump speaks of, and so what it does not reach. Few ranges
// in address order.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "hmem/base/address.h"

namespace hmem::source {

class PfnSet {
 public:
  void Add(PfnRange range);
  bool Contains(Pfn pfn) const;
  // The parts of `ranges` (sorted, disjoint) that are not in the set.
  std::vector<PfnRange> MissingFrom(std::span<const PfnRange> ranges) const;
  size_t range_count() const { return ranges_.size(); }

 private:
  std::map<uint64_t, uint64_t> ranges_;  // start -> end
};

}  // namespace hmem::source
