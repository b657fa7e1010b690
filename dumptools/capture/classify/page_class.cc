// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/classify/page_class.h"

#include <algorithm>
#include <array>

namespace hmem::capture {
namespace {

constexpr std::array<std::string_view, kPageClasses> kNames = {
    "filtered-before", "zero", "unknown",    "free",    "cache",    "private-cache", "anonymous",
    "hugetlb",         "slab", "page-table", "offline", "poisoned", "kernel"};

}  // namespace

std::string_view PageClassName(PageClass page_class) {
  return kNames.at(static_cast<size_t>(page_class));
}

std::optional<PageClass> FindPageClass(std::string_view name) {
  auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<PageClass>(found - kNames.begin());
}

}  // namespace hmem::capture
