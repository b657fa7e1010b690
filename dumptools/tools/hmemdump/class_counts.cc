// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/class_counts.h"

namespace hmem::dump {

std::vector<ClassCount> CountsByClass(const capture::PageCounts& counts) {
  std::vector<ClassCount> found;
  for (size_t i = 0; i < capture::kPageClasses; ++i) {
    if (counts.read_by_class[i] + counts.excluded_by_class[i] == 0) continue;
    found.push_back({.page_class = static_cast<capture::PageClass>(i),
                     .read = counts.read_by_class[i],
                     .left_out = counts.excluded_by_class[i]});
  }
  return found;
}

}  // namespace hmem::dump
