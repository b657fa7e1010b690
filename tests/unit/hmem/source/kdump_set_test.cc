// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/kdump_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/makers/kdump_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using format::KdumpHeader;
using format::KdumpSubHeader;
using makers::KdumpMaker;
using makers::Pattern;
using testing::HasSubstr;

// Pages 1 to 9 but 5, which is excluded.
class KdumpSet : public testing::Test {
 protected:
  // The part that holds [start, end): all bitmaps, its own descriptors.
  std::string Part(const std::string& name, uint64_t start, uint64_t end) {
    KdumpMaker maker;
    maker.Vmcoreinfo("OSRELEASE=6.1.0\n").MaxPages(10).Excluded(Pfn(5));
    std::vector<std::byte> file;
    for (uint64_t pfn = 1; pfn < 10; ++pfn) {
      if (pfn != 5) maker.Page(Pfn(pfn), Pattern(pfn));
    }
    maker.Edit([&](KdumpHeader&, KdumpSubHeader& sub) {
      sub.split = 1;
      sub.start_pfn_64 = start;
      sub.end_pfn_64 = end;
    });
    file = maker.Make();
    // The maker wrote all descriptors: those in front of the part are taken out.
    uint64_t before = 0;
    for (uint64_t pfn = 1; pfn < start; ++pfn) before += pfn != 5;
    auto descriptors = file.begin() + static_cast<ptrdiff_t>(maker.descriptors_offset());
    auto own = descriptors + static_cast<ptrdiff_t>(before * format::kKdumpDescriptorBytes);
    std::copy(own, file.begin() + static_cast<ptrdiff_t>(maker.data_offset()), descriptors);
    return dir_.Write(name, file);
  }
  static void ExpectPage(const MemorySource& source, uint64_t pfn) {
    std::vector<std::byte> page(4096);
    Status status = source.Read(PhysAddr(pfn * 4096), page);
    ASSERT_TRUE(status) << status.error().ToString();
    EXPECT_EQ(page, Pattern(pfn)) << pfn;
  }
  static bool Told(const MemorySource& source, std::string_view id) {
    return std::ranges::any_of(source.findings().all(),
                               [&](const Finding& finding) { return finding.id == id; });
  }

  makers::TempDir dir_;
};

TEST_F(KdumpSet, PartsInAnyOrderAreOneDump) {
  std::string names = Part("b", 4, 7) + "," + Part("a", 0, 4) + "," + Part("c", 7, 10);
  auto source = Open(names);
  ASSERT_TRUE(source) << source.error().ToString();
  EXPECT_TRUE((*source)->complete());
  EXPECT_EQ((*source)->format(), "kdump");
  for (uint64_t pfn : {1, 2, 3, 4, 6, 7, 8, 9}) {
    EXPECT_EQ((*source)->FateOf(Pfn(pfn)), PageFate::kPresent);
    ExpectPage(**source, pfn);
  }
  EXPECT_EQ((*source)->FateOf(Pfn(5)), PageFate::kExcluded);
  // Across the borders of parts.
  std::vector<std::byte> three(3 * 4096);
  ASSERT_TRUE((*source)->Read(PhysAddr(0x6000), three));
  EXPECT_TRUE(std::equal(three.begin(), three.begin() + 4096, Pattern(6).begin()));
  EXPECT_TRUE(std::equal(three.end() - 4096, three.end(), Pattern(8).begin()));
  Findings findings;
  ASSERT_TRUE((*source)->Verify(findings));
  EXPECT_FALSE(findings.HasLosses());
}

// makedumpfile --split makes them when it has more files than it needs.
TEST_F(KdumpSet, PartsMayBeEmpty) {
  auto source = Open(Part("b", 10, 10) + "," + Part("a", 0, 10) + "," + Part("c", 10, 10));
  ASSERT_TRUE(source) << source.error().ToString();
  EXPECT_TRUE((*source)->complete());
  ExpectPage(**source, 9);
  Findings findings;
  ASSERT_TRUE((*source)->Verify(findings));
  EXPECT_FALSE(findings.HasLosses());
}

TEST_F(KdumpSet, ThePagesOfAPartThatIsMissingAreNotReached) {
  auto source = Open(Part("a", 0, 4) + "," + Part("c", 7, 10));
  ASSERT_TRUE(source) << source.error().ToString();
  EXPECT_FALSE((*source)->complete());
  EXPECT_TRUE(Told(**source, "source.kdump.part-missing"));
  ExpectPage(**source, 3);
  ExpectPage(**source, 9);
  EXPECT_EQ((*source)->FateOf(Pfn(4)), PageFate::kNotReached);
  EXPECT_EQ((*source)->FateOf(Pfn(5)), PageFate::kExcluded);
  std::vector<std::byte> page(4096);
  EXPECT_EQ((*source)->Read(PhysAddr(0x6000), page).error().code(), ErrorCode::kTruncated);
  Findings findings;
  ASSERT_TRUE((*source)->Verify(findings));
  EXPECT_TRUE(findings.HasLosses());
}

TEST_F(KdumpSet, APartAloneOpensAndSaysWhatItIs) {
  auto source = Open(Part("b", 4, 7));
  ASSERT_TRUE(source) << source.error().ToString();
  EXPECT_FALSE((*source)->complete());
  EXPECT_TRUE(Told(**source, "source.kdump.part"));
  ExpectPage(**source, 4);
  ExpectPage(**source, 6);
  EXPECT_EQ((*source)->FateOf(Pfn(3)), PageFate::kNotReached);
  EXPECT_EQ((*source)->FateOf(Pfn(8)), PageFate::kNotReached);
  EXPECT_EQ((*source)->FateFrom(Pfn(1), 100).pages, 3u);
}

TEST_F(KdumpSet, RefusesFilesThatAreNoPartsOfOneDump) {
  std::string a = Part("a", 0, 4);
  auto twice = Open(a + "," + Part("other", 2, 10));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(twice.error().ToString(), HasSubstr("the same pages"));
  KdumpMaker stranger;
  stranger.Vmcoreinfo("OSRELEASE=5.10.0\n").Page(Pfn(1), Pattern(1)).MaxPages(10);
  auto strange = Open(a + "," + dir_.Write("stranger", stranger.Make()));
  ASSERT_FALSE(strange);
  EXPECT_THAT(strange.error().ToString(), HasSubstr("no parts of one dump"));
  EXPECT_EQ(Open(a + "," + dir_.File("none")).error().code(), ErrorCode::kIo);
  auto backwards = Open(Part("backwards", 5, 4));
  ASSERT_FALSE(backwards);
  EXPECT_EQ(backwards.error().code(), ErrorCode::kCorrupt);
}

TEST_F(KdumpSet, AFileWithACommaInItsNameIsThatFile) {
  KdumpMaker maker;
  maker.Page(Pfn(1), Pattern(1));
  auto source = Open(dir_.Write("a,b", maker.Make()));
  ASSERT_TRUE(source) << source.error().ToString();
  ExpectPage(**source, 1);
}

}  // namespace
}  // namespace hmem::source
