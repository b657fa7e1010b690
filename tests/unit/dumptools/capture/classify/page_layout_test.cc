// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/classify/page_layout.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/memmap_maker.h"

namespace hmem::capture {
namespace {

using makers::MemMapMaker;

Result<PageLayout> Layout(const std::string& text) {
  Findings findings;
  auto vmcoreinfo = space::Vmcoreinfo::Parse(text, findings);
  return PageLayout::Make(vmcoreinfo, nullptr, Endian::kLittle, 8, findings);
}

class PageLayoutTest : public ::testing::Test {
 protected:
  fakes::FakeVirtMemory memory;
  MemMapMaker maker{memory, MemMapMaker::Kind::kBits};
};

TEST_F(PageLayoutTest, NamesTheKeyItCannotDoWithout) {
  for (std::string_view key : {"OFFSET(page.flags)", "OFFSET(page.mapping)",
                               "OFFSET(page._mapcount)", "OFFSET(page.private)"}) {
    auto layout = Layout(maker.Vmcoreinfo(key));
    ASSERT_FALSE(layout) << key;
    EXPECT_EQ(layout.error().code(), ErrorCode::kMissingDebugInfo) << key;
    EXPECT_NE(layout.error().ToString().find(key), std::string::npos) << layout.error().ToString();
  }
}

TEST_F(PageLayoutTest, RefusesAMemberOutsideStructPage) {
  std::string text = maker.Vmcoreinfo("OFFSET(page.mapping)");
  for (const char* offset : {"57", "64", "-8"}) {
    auto layout = Layout(text + "OFFSET(page.mapping)=" + offset + "\n");
    ASSERT_FALSE(layout) << offset;
    EXPECT_EQ(layout.error().code(), ErrorCode::kCorrupt) << offset;
  }
}

TEST_F(PageLayoutTest, AFlagNumberBeyondAWordIsNone) {
  auto layout = Layout(maker.Vmcoreinfo("NUMBER(PG_hwpoison)") + "NUMBER(PG_hwpoison)=64\n");
  ASSERT_TRUE(layout) << layout.error().ToString();
  EXPECT_EQ(layout->hwpoison, 0u);
}

TEST_F(PageLayoutTest, TheDestructorOfOtherCompoundPagesIsNotThatOfHugetlbPages) {
  const std::string key = "NUMBER(HUGETLB_PAGE_DTOR)";
  for (auto [value, known] : {std::pair("0", false), std::pair("1", false), std::pair("2", true),
                              std::pair("256", false), std::pair("-1", false)}) {
    auto layout = Layout(maker.Vmcoreinfo(key) + key + "=" + value + "\n");
    ASSERT_TRUE(layout) << layout.error().ToString();
    EXPECT_EQ(layout->dtor.has_value(), known) << value;
  }
}

TEST_F(PageLayoutTest, APageTypeIsANumberThatNoMappingsHave) {
  const std::string key = "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)";
  for (auto [value, type] :
       {std::pair("-128", std::optional<uint32_t>(0xffffff80)),
        std::pair("-129", std::optional<uint32_t>(0xffffff7f)),
        std::pair("4026531840", std::optional<uint32_t>(0xf0000000)),
        std::pair("-2147483648", std::optional<uint32_t>(0x80000000)),
        std::pair("-127", std::optional<uint32_t>()), std::pair("-1", std::optional<uint32_t>()),
        std::pair("0", std::optional<uint32_t>()),
        std::pair("-2147483649", std::optional<uint32_t>())}) {
    auto layout = Layout(maker.Vmcoreinfo(key) + key + "=" + value + "\n");
    ASSERT_TRUE(layout) << layout.error().ToString();
    EXPECT_EQ(layout->buddy, type) << value;
  }
}

// PG_slab is gone from 6.10 on, and its old number is another flag's.
TEST_F(PageLayoutTest, WhereSlabIsATypeNoFlagIsTakenForIt) {
  MemMapMaker newer(memory, MemMapMaker::Kind::kType);
  auto layout = Layout(newer.Vmcoreinfo() + "NUMBER(PG_slab)=7\n");
  ASSERT_TRUE(layout) << layout.error().ToString();
  EXPECT_EQ(layout->slab_bit, 0u);
  EXPECT_EQ(layout->type_mask, 0xff000000u);
}

}  // namespace
}  // namespace hmem::capture
