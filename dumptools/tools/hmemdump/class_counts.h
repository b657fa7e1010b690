// SPDX-License-Identifier: GPL-2.0-or-later
// What became of the pages of each class, of those that there were pages of.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dumptools/capture/pipeline/page_counts.h"

namespace hmem::dump {

struct ClassCount {
  capture::PageClass page_class = capture::PageClass::kUnknown;
  uint64_t read = 0, left_out = 0;  // pages

  std::string_view name() const { return capture::PageClassName(page_class); }
};

std::vector<ClassCount> CountsByClass(const capture::PageCounts& counts);

}  // namespace hmem::dump
