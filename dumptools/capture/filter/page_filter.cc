// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/page_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace hmem::capture {
namespace {

constexpr unsigned kZeroBit = 1, kCacheBit = 2, kPrivateBit = 4, kUserBit = 8, kFreeBit = 16;
constexpr unsigned kAllBits = 31;

struct LevelName {
  std::string_view name;
  unsigned bit;
};
constexpr std::array<LevelName, 5> kLevelNames = {{{"zero", kZeroBit},
                                                   {"cache", kCacheBit},
                                                   {"private", kPrivateBit},
                                                   {"user", kUserBit},
                                                   {"free", kFreeBit}}};
// What nobody can want to be without is not among them.
constexpr std::array<PageClass, 4> kClasses = {PageClass::kPrivateCache, PageClass::kAnonymous,
                                               PageClass::kHugetlb, PageClass::kSlab};

}  // namespace

PageFilter::PageFilter() {
  Exclude(PageClass::kPoisoned);
  Exclude(PageClass::kOffline);
}

void PageFilter::ExcludeLevel(unsigned bits) {
  if ((bits & kZeroBit) != 0) Exclude(PageClass::kZero);
  if ((bits & (kCacheBit | kPrivateBit)) != 0) Exclude(PageClass::kCache);
  if ((bits & kPrivateBit) != 0) Exclude(PageClass::kPrivateCache);
  if ((bits & kUserBit) != 0) {
    Exclude(PageClass::kAnonymous);
    Exclude(PageClass::kHugetlb);
  }
  if ((bits & kFreeBit) != 0) Exclude(PageClass::kFree);
}

Result<PageFilter> PageFilter::Parse(std::string_view text) {
  PageFilter filter;
  if (text == "none") return filter;
  unsigned level = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (level > kAllBits) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("level {}: not from 0 to {}", level, kAllBits));
    }
    filter.ExcludeLevel(level);
    return filter;
  }
  for (size_t at = 0; at <= text.size();) {
    std::string_view word = text.substr(at, text.find(',', at) - at);
    at += word.size() + 1;
    auto by_level = std::find_if(kLevelNames.begin(), kLevelNames.end(),
                                 [&](const LevelName& known) { return known.name == word; });
    std::optional<PageClass> page_class = FindPageClass(word);
    if (by_level != kLevelNames.end()) {
      filter.ExcludeLevel(by_level->bit);
    } else if (page_class &&
               std::find(kClasses.begin(), kClasses.end(), *page_class) != kClasses.end()) {
      filter.Exclude(*page_class);
    } else {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("\"{}\": not a level from 0 to {}, none, or names of zero, cache, "
                              "private, user, free, anonymous, hugetlb, private-cache, slab",
                              word, kAllBits));
    }
  }
  return filter;
}

bool PageFilter::needs_classes() const {
  for (int i = 0; i < kPageClasses; ++i) {
    auto page_class = static_cast<PageClass>(i);
    if (page_class != PageClass::kZero && Excludes(page_class) &&
        !PageFilter().Excludes(page_class))
      return true;
  }
  return false;
}

int PageFilter::level() const {
  unsigned bits = 0;
  if (Excludes(PageClass::kZero)) bits |= kZeroBit;
  if (Excludes(PageClass::kCache)) bits |= kCacheBit;
  if (Excludes(PageClass::kCache) && Excludes(PageClass::kPrivateCache)) bits |= kPrivateBit;
  if (Excludes(PageClass::kAnonymous) && Excludes(PageClass::kHugetlb)) bits |= kUserBit;
  if (Excludes(PageClass::kFree)) bits |= kFreeBit;
  return static_cast<int>(bits);
}

}  // namespace hmem::capture
