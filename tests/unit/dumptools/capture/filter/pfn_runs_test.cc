// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/pfn_runs.h"

#include <gtest/gtest.h>

namespace hmem::capture {
namespace {

uint64_t CountPages(const PfnRuns& runs) {
  uint64_t pages = 0;
  for (const PfnRange& run : runs.runs()) pages += run.size();
  return pages;
}

PfnRange Pages(uint64_t start, uint64_t end) { return {Pfn(start), Pfn(end)}; }

TEST(PfnRuns, SortsAndJoinsWhatTouches) {
  PfnRuns runs(1024);
  EXPECT_TRUE(runs.Add(Pages(20, 30)));
  EXPECT_TRUE(runs.Add(Pages(5, 7)));
  EXPECT_TRUE(runs.Add(Pages(7, 8)));
  EXPECT_TRUE(runs.Add(Pages(25, 40)));
  EXPECT_TRUE(runs.Add(Pages(9, 9)));
  runs.Seal();
  ASSERT_EQ(runs.runs().size(), 2u);
  EXPECT_EQ(runs.runs()[0], Pages(5, 8));
  EXPECT_EQ(runs.runs()[1], Pages(20, 40));
  EXPECT_EQ(CountPages(runs), 23u);
}

TEST(PfnRuns, FindsTheRunThatHoldsAPageOrComesNext) {
  PfnRuns runs(1024);
  runs.Add(Pages(5, 8));
  runs.Add(Pages(20, 40));
  runs.Seal();
  EXPECT_EQ(runs.FirstEndingBehind(Pfn(0)), 0u);
  EXPECT_EQ(runs.FirstEndingBehind(Pfn(7)), 0u);
  EXPECT_EQ(runs.FirstEndingBehind(Pfn(8)), 1u);
  EXPECT_EQ(runs.FirstEndingBehind(Pfn(40)), 2u);
}

TEST(PfnRuns, SaysWhenThereIsNoRoomAndKeepsWhatItHas) {
  PfnRuns runs(8 * sizeof(PfnRange));
  for (uint64_t i = 0; i < 8; ++i) EXPECT_TRUE(runs.Add(Pages(10 * i, 10 * i + 1)));
  EXPECT_FALSE(runs.Add(Pages(1000, 1001)));
  EXPECT_TRUE(runs.Add(Pages(70, 71))) << "it is there already";
  runs.Seal();
  EXPECT_EQ(CountPages(runs), 8u);
}

TEST(PfnRuns, JoiningMakesRoom) {
  PfnRuns runs(8 * sizeof(PfnRange));
  for (uint64_t i = 8; i > 0; --i) EXPECT_TRUE(runs.Add(Pages(i, i + 1)));
  EXPECT_TRUE(runs.Add(Pages(1000, 1001)));
  runs.Seal();
  EXPECT_EQ(runs.runs().size(), 2u);
}

}  // namespace
}  // namespace hmem::capture
