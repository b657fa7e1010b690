// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/order/tier_scan.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/fakes/fake_memory.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/memmap_maker.h"

namespace hmem::capture {
namespace {

using makers::MemMapMaker;
using Part = TierScan::Part;

// RAM of 4096 pages: 16 anonymous from 100 on, a free block at 1024, slab at 200, cache at 300, a
// poisoned page at 400.
class TierScanTest : public ::testing::Test {
 protected:
  TierScanTest() {
    source.extra_ram = {{PhysAddr(0), PhysAddr(4096 * 4096)}};
    pages.Section(0);
    for (uint64_t i = 0; i < 16; ++i) pages.Page(Pfn(100 + i), MemMapMaker::kAnon);
    pages.Buddy(Pfn(1024), 10);
    pages.Page(Pfn(200), MemMapMaker::kSlab);
    pages.Page(Pfn(300), MemMapMaker::kLru);
    pages.Page(Pfn(400), MemMapMaker::kPoison);
    auto vmcoreinfo = space::Vmcoreinfo::Parse(pages.Vmcoreinfo(), findings);
    layout = *PageLayout::Make(vmcoreinfo, nullptr, Endian::kLittle, 8, findings);
    map.emplace(*walk::MemMap::Create(vmcoreinfo, memory, nullptr, 4096));
    rules = {.source = &source, .map = &*map, .layout = &layout, .filter = &filter};
  }
  void First(uint64_t start, uint64_t end) {
    first.Add({Pfn(start), Pfn(end)});
    first.Seal();
    rules.first_tier = &first;
  }
  // Every page that the scan tells of: true where it is kept. Each is told once, in order.
  std::map<uint64_t, bool> Scan(Part part) {
    std::map<uint64_t, bool> told;
    TierScan scan(rules, part, findings);
    ScannedRun run;
    uint64_t behind = 0;
    while (scan.Next(run)) {
      EXPECT_FALSE(run.pages.empty());
      EXPECT_GE(run.pages.start.value, behind);
      behind = run.pages.end.value;
      for (Pfn pfn = run.pages.start; pfn < run.pages.end; pfn = pfn + 1)
        told[pfn.value] = run.keep;
    }
    EXPECT_LE(behind, 4096u);
    return told;
  }

  Findings findings;
  fakes::FakeSource source;
  fakes::FakeVirtMemory memory;
  MemMapMaker pages{memory, MemMapMaker::Kind::kBits};
  PageLayout layout;
  std::optional<walk::MemMap> map;
  PageFilter filter = *PageFilter::Parse("31");
  PfnRuns first{4096}, wanted{4096};
  ScanRules rules;
};

TEST_F(TierScanTest, TogetherTheTiersTellOfEveryPageOnce) {
  First(90, 110);
  std::map<uint64_t, int> times;
  for (Part part : {Part::kFirst, Part::kSecond, Part::kThird}) {
    for (const auto& [pfn, keep] : Scan(part)) ++times[pfn];
  }
  EXPECT_EQ(times.size(), 4096u);
  for (const auto& [pfn, count] : times) EXPECT_EQ(count, 1) << pfn;
}

TEST_F(TierScanTest, TheFirstTierKeepsOnlyWhatTheFilterDoesAndTellsOfTheRest) {
  First(90, 110);
  auto told = Scan(Part::kFirst);
  EXPECT_EQ(told.size(), 20u);
  EXPECT_TRUE(told.at(99));
  EXPECT_FALSE(told.at(100));  // anonymous
  EXPECT_FALSE(told.at(109));
  EXPECT_FALSE(Scan(Part::kSecond).contains(105));
}

TEST_F(TierScanTest, TheSecondHasTheKernelsPagesAndAllThatIsLeftOut) {
  filter = *PageFilter::Parse("free");
  auto second = Scan(Part::kSecond);
  EXPECT_TRUE(second.at(0));
  EXPECT_TRUE(second.at(200));
  EXPECT_FALSE(second.at(1024));
  EXPECT_FALSE(second.at(400));
  EXPECT_FALSE(second.contains(100));
  auto third = Scan(Part::kThird);
  EXPECT_EQ(third.size(), 17u);
  EXPECT_TRUE(third.at(100));
  EXPECT_TRUE(third.at(300));
}

TEST_F(TierScanTest, WhatIsWantedIsKeptWhateverItsClassButForPoison) {
  wanted.Add({Pfn(104), Pfn(108)});
  wanted.Add({Pfn(400), Pfn(401)});
  wanted.Add({Pfn(2000), Pfn(2001)});
  wanted.Seal();
  rules.wanted = &wanted;
  auto told = Scan(Part::kAll);
  EXPECT_EQ(told.size(), 4096u);
  EXPECT_FALSE(told.at(103));
  EXPECT_TRUE(told.at(104));
  EXPECT_TRUE(told.at(107));
  EXPECT_FALSE(told.at(108));
  EXPECT_FALSE(told.at(400));
  EXPECT_TRUE(told.at(2000));
  EXPECT_FALSE(told.at(2001));
  EXPECT_TRUE(Scan(Part::kSecond).at(104));
}

TEST_F(TierScanTest, WithoutStructPagesAllIsKept) {
  rules.map = nullptr;
  for (const auto& [pfn, keep] : Scan(Part::kAll)) EXPECT_TRUE(keep) << pfn;
}

TEST(HasThirdTier, WhereTheFilterKeepsAnythingThatIsNotTheKernels) {
  EXPECT_FALSE(HasThirdTier(*PageFilter::Parse("31")));
  for (const char* kept : {"none", "zero", "15", "23", "27", "zero,private,free,user,slab"}) {
    const bool all_but_slab = std::string_view(kept).ends_with("slab");
    EXPECT_EQ(HasThirdTier(*PageFilter::Parse(kept)), !all_but_slab) << kept;
  }
}

}  // namespace
}  // namespace hmem::capture
