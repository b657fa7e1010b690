// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/page_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace hmem::capture {
namespace {

// Names of the classes that a filter leaves out, in the order of their numbers.
std::string LeftOut(std::string_view text) {
  auto filter = PageFilter::Parse(text);
  if (!filter) return filter.error().ToString();
  std::string names;
  for (int i = 0; i < kPageClasses; ++i) {
    auto page_class = static_cast<PageClass>(i);
    if (filter->Excludes(page_class)) names += std::string(PageClassName(page_class)) + " ";
  }
  return names;
}

TEST(PageFilter, LevelsLeaveOutWhatMakedumpfilesDo) {
  EXPECT_EQ(LeftOut("0"), "offline poisoned ");
  EXPECT_EQ(LeftOut("1"), "zero offline poisoned ");
  EXPECT_EQ(LeftOut("2"), "cache offline poisoned ");
  EXPECT_EQ(LeftOut("4"), "cache private-cache offline poisoned ");
  EXPECT_EQ(LeftOut("8"), "anonymous hugetlb offline poisoned ");
  EXPECT_EQ(LeftOut("16"), "free offline poisoned ");
  EXPECT_EQ(LeftOut("31"), "zero free cache private-cache anonymous hugetlb offline poisoned ");
}

TEST(PageFilter, NamesAreThoseOfTheLevelsAndOfClasses) {
  EXPECT_EQ(LeftOut("none"), LeftOut("0"));
  EXPECT_EQ(LeftOut("zero,cache,private,user,free"), LeftOut("31"));
  EXPECT_EQ(LeftOut("slab,hugetlb"), "hugetlb slab offline poisoned ");
}

TEST(PageFilter, TheKernelsOwnPagesCannotBeLeftOut) {
  for (const char* text : {"kernel", "page-table", "unknown", "poisoned", "filtered-before"}) {
    auto filter = PageFilter::Parse(text);
    ASSERT_FALSE(filter) << text;
    EXPECT_EQ(filter.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(PageFilter, OtherWordsAreNamed) {
  for (const char* text : {"", "32", "-1", "zero,", "zero,frei", "31 "}) {
    auto filter = PageFilter::Parse(text);
    ASSERT_FALSE(filter) << text;
    EXPECT_EQ(filter.error().code(), ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_NE(PageFilter::Parse("zero,frei").error().ToString().find("\"frei\""), std::string::npos);
}

TEST(PageFilter, TellsTheLevelThatLeavesOutTheSame) {
  for (int level : {0, 1, 2, 6, 8, 16, 31}) {
    auto filter = PageFilter::Parse(std::to_string(level));
    ASSERT_TRUE(filter) << level;
    EXPECT_EQ(filter->level(), level);
  }
  EXPECT_EQ(PageFilter::Parse("anonymous")->level(), 0);
}

}  // namespace
}  // namespace hmem::capture
