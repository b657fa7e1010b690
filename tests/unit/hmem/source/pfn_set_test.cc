// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/pfn_set.h"

#include <gtest/gtest.h>

#include <random>

namespace hmem::source {
namespace {

PfnRange Pfns(uint64_t start, uint64_t end) { return {Pfn(start), Pfn(end)}; }

TEST(PfnSet, HoldsHalfOpenRanges) {
  PfnSet set;
  set.Add(Pfns(10, 20));
  EXPECT_FALSE(set.Contains(Pfn(9)));
  EXPECT_TRUE(set.Contains(Pfn(10)));
  EXPECT_TRUE(set.Contains(Pfn(19)));
  EXPECT_FALSE(set.Contains(Pfn(20)));
}

TEST(PfnSet, AnEmptyRangeAddsNothing) {
  PfnSet set;
  set.Add(Pfns(5, 5));
  EXPECT_EQ(set.range_count(), 0u);
  EXPECT_FALSE(set.Contains(Pfn(5)));
}

TEST(PfnSet, MergesWhatTouches) {
  PfnSet set;
  set.Add(Pfns(10, 20));
  set.Add(Pfns(30, 40));
  EXPECT_EQ(set.range_count(), 2u);
  set.Add(Pfns(20, 30));
  EXPECT_EQ(set.range_count(), 1u);
  set.Add(Pfns(0, 100));
  EXPECT_EQ(set.range_count(), 1u);
  set.Add(Pfns(50, 60));  // inside
  EXPECT_EQ(set.range_count(), 1u);
  EXPECT_TRUE(set.Contains(Pfn(99)));
}

TEST(PfnSet, NamesWhatIsMissing) {
  PfnSet set;
  set.Add(Pfns(10, 20));
  set.Add(Pfns(30, 40));
  std::vector<PfnRange> wanted = {Pfns(5, 35), Pfns(38, 50), Pfns(60, 61)};
  EXPECT_EQ(set.MissingFrom(wanted),
            (std::vector<PfnRange>{Pfns(5, 10), Pfns(20, 30), Pfns(40, 50), Pfns(60, 61)}));
  EXPECT_TRUE(set.MissingFrom(std::vector<PfnRange>{Pfns(12, 18)}).empty());
  EXPECT_TRUE(set.MissingFrom({}).empty());
}

TEST(PfnSet, ReachesTheHighestPfn) {
  PfnSet set;
  set.Add(Pfns(~uint64_t{0} - 1, ~uint64_t{0}));
  EXPECT_TRUE(set.Contains(Pfn(~uint64_t{0} - 1)));
  EXPECT_FALSE(set.Contains(Pfn(~uint64_t{0})));
}

TEST(PfnSet, AgreesWithAPlainArray) {
  std::mt19937 random(11);
  PfnSet set;
  std::vector<bool> plain(500);
  for (int i = 0; i < 300; ++i) {
    uint64_t start = random() % 490, end = start + random() % 10;
    set.Add(Pfns(start, end));
    std::fill(plain.begin() + static_cast<ptrdiff_t>(start),
              plain.begin() + static_cast<ptrdiff_t>(end), true);
    for (uint64_t pfn = 0; pfn < plain.size(); ++pfn)
      ASSERT_EQ(set.Contains(Pfn(pfn)), plain[pfn]) << pfn;
  }
}

}  // namespace
}  // namespace hmem::source
