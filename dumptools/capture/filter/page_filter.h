// SPDX-License-Identifier: GPL-2.0-or-later
// Which classes a dump leaves out.
#pragma once

#include <bitset>
#include <string>
#include <string_view>

#include "dumptools/capture/classify/page_class.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class PageFilter {
 public:
  // "none"; a level from 0 to 31 as makedumpfile's -d counts them (1 zero, 2 cache, 4 cache with
  // and without private data, 8 user, 16 free); or names with commas between: those of the
  // levels (zero, cache, private, user, free) and of classes (anonymous, hugetlb, private-cache,
  // slab). kInvalidArgument names the word.
  static Result<PageFilter> Parse(std::string_view text);

  // Poisoned pages and those that are not there are never read.
  bool Excludes(PageClass page_class) const { return excluded_[static_cast<size_t>(page_class)]; }
  bool keeps_zero() const { return !Excludes(PageClass::kZero); }
  // Something is left out that a struct page must tell.
  bool needs_classes() const;
  // The dump level that leaves out just this; the nearest below where there is none.
  int level() const;

  // Nothing is left out on purpose.
  PageFilter();

 private:
  void Exclude(PageClass page_class) { excluded_[static_cast<size_t>(page_class)] = true; }
  void ExcludeLevel(unsigned bits);

  std::bitset<kPageClasses> excluded_;
};

}  // namespace hmem::capture
