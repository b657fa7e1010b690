// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/findings.h"

#include <gtest/gtest.h>

namespace hmem {
namespace {

TEST(Findings, CountsOneKindOnceWithItsFirstPlaces) {
  Findings findings;
  for (int i = 0; i < 10; ++i) {
    findings.Add(Severity::kLoss, "a.b", "place " + std::to_string(i), "text");
  }
  ASSERT_EQ(findings.all().size(), 1u);
  const Finding& finding = findings.all()[0];
  EXPECT_EQ(finding.count, 10u);
  EXPECT_EQ(finding.places.size(), Findings::kMaxPlaces);
  EXPECT_EQ(finding.places[0], "place 0");
  EXPECT_EQ(finding.text, "text");
}

TEST(Findings, TakesTheWorstSeverity) {
  Findings findings;
  findings.Add(Severity::kInfo, "a", "", "text");
  EXPECT_FALSE(findings.HasLosses());
  findings.Add(Severity::kError, "a", "", "text");
  findings.Add(Severity::kLoss, "a", "", "text");
  EXPECT_EQ(findings.all()[0].severity, Severity::kError);
  EXPECT_TRUE(findings.HasLosses());
  EXPECT_TRUE(findings.all()[0].places.empty());
}

TEST(Findings, CountsKindsItHasNoRoomFor) {
  Findings findings;
  for (size_t i = 0; i < Findings::kMaxKinds + 3; ++i) {
    findings.Add(Severity::kInfo, "kind." + std::to_string(i), "", "text");
  }
  EXPECT_EQ(findings.all().size(), Findings::kMaxKinds);
  EXPECT_EQ(findings.dropped(), 3u);
  EXPECT_TRUE(findings.HasLosses());
}

TEST(Findings, MergeAddsCountsAndPlaces) {
  Findings a;
  a.Add(Severity::kInfo, "x", "1", "text");
  Findings b;
  b.Add(Severity::kLoss, "x", "2", "text");
  b.Add(Severity::kInfo, "y", "3", "text");
  a.Merge(b);
  ASSERT_EQ(a.all().size(), 2u);
  EXPECT_EQ(a.all()[0].count, 2u);
  EXPECT_EQ(a.all()[0].severity, Severity::kLoss);
  EXPECT_EQ(a.all()[0].places, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(SeverityName(a.all()[1].severity), "info");
}

TEST(Findings, AFindingKeepsItsCountAndItsPlaces) {
  Findings findings;
  Finding told{
      .id = "x", .severity = Severity::kLoss, .count = 70, .places = {"1", "2"}, .text = "t"};
  findings.Add(told);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].count, 70u);
  EXPECT_EQ(findings.all()[0].places, (std::vector<std::string>{"1", "2"}));
  told.count = ~uint64_t{0};
  findings.Add(told);
  EXPECT_EQ(findings.all()[0].count, ~uint64_t{0});
  EXPECT_EQ(findings.all()[0].places.size(), Findings::kMaxPlaces);
  told = {.id = "y", .count = 0};
  findings.Add(told);
  EXPECT_EQ(findings.all()[1].count, 1u);
}

}  // namespace
}  // namespace hmem
