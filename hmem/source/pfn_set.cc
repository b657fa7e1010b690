// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/pfn_set.h"

#include <algorithm>

namespace hmem::source {

void PfnSet::Add(PfnRange range) {
  if (range.empty()) return;
  uint64_t start = range.start.value, end = range.end.value;
  auto it = ranges_.upper_bound(start);
  if (it != ranges_.begin() && std::prev(it)->second >= start) --it;
  while (it != ranges_.end() && it->first <= end) {
    start = std::min(start, it->first);
    end = std::max(end, it->second);
    it = ranges_.erase(it);
  }
  ranges_[start] = end;
}

bool PfnSet::Contains(Pfn pfn) const {
  auto it = ranges_.upper_bound(pfn.value);
  return it != ranges_.begin() && std::prev(it)->second > pfn.value;
}

std::vector<PfnRange> PfnSet::MissingFrom(std::span<const PfnRange> ranges) const {
  std::vector<PfnRange> missing;
  for (const PfnRange& range : ranges) {
    uint64_t at = range.start.value;
    auto it = ranges_.upper_bound(at);
    if (it != ranges_.begin() && std::prev(it)->second > at) --it;
    for (; it != ranges_.end() && it->first < range.end.value; ++it) {
      if (it->first > at) missing.push_back({Pfn(at), Pfn(it->first)});
      at = std::max(at, it->second);
    }
    if (at < range.end.value) missing.push_back({Pfn(at), range.end});
  }
  return missing;
}

}  // namespace hmem::source
