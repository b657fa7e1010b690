// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/memmap.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/memmap_maker.h"

namespace hmem::walk {
namespace {

using makers::MemMapMaker;

class MemMapTest : public ::testing::Test {
 protected:
  Result<MemMap> Create(const std::string& text) {
    Findings findings;
    return MemMap::Create(space::Vmcoreinfo::Parse(text, findings), memory, nullptr, 4096);
  }
  fakes::FakeVirtMemory memory;
  MemMapMaker maker{memory, MemMapMaker::Kind::kBits};
};

TEST_F(MemMapTest, LeadsFromPfnToStructPageAndBack) {
  maker.Section(1);
  auto map = Create(maker.Vmcoreinfo());
  ASSERT_TRUE(map) << map.error().ToString();
  Pfn pfn(MemMapMaker::kPagesPerSection + 5);
  MemMap::Section section = map->SectionOf(pfn);
  EXPECT_EQ(section.state, MemMap::State::kPresent);
  EXPECT_EQ(map->AddressOf(section, pfn), maker.At(pfn));
  EXPECT_EQ(map->PfnOf(section, maker.At(pfn)), pfn);
  EXPECT_EQ(map->PfnOf(section, maker.At(pfn) + 8), std::nullopt);
  EXPECT_EQ(map->PfnOf(section, maker.At(Pfn(7))), std::nullopt) << "that section is absent";
}

TEST_F(MemMapTest, AHoleIsOneAnswerForAllSectionsOfItsRoot) {
  auto map = Create(maker.Vmcoreinfo());
  ASSERT_TRUE(map) << map.error().ToString();
  MemMap::Section hole = map->SectionOf(Pfn(256 * MemMapMaker::kPagesPerSection));
  EXPECT_EQ(hole.state, MemMap::State::kAbsent);
  EXPECT_EQ(hole.pages.size(), 256 * MemMapMaker::kPagesPerSection);
  // Behind what the kernel can address, one answer for all there is.
  MemMap::Section beyond = map->SectionOf(Pfn(uint64_t{1} << 50));
  EXPECT_EQ(beyond.state, MemMap::State::kAbsent);
  EXPECT_EQ(beyond.pages.end, Pfn(~uint64_t{0}));
}

TEST_F(MemMapTest, SectionBitsFollowFromTheRootsWhereTheyAreNotExported) {
  maker.Section(0);
  auto map = Create(maker.Vmcoreinfo("NUMBER(SECTION_SIZE_BITS)"));
  ASSERT_TRUE(map) << map.error().ToString();
  EXPECT_EQ(map->SectionOf(Pfn(3)).pages.size(), MemMapMaker::kPagesPerSection);
}

TEST_F(MemMapTest, PlainSparseMemoryHasNoRoots) {
  // As many entries as sections: the array holds the sections themselves.
  constexpr VirtAddr kArray{0xffff888000040000};
  memory.AddZero({kArray, kArray + 512 * 16});
  memory.PutU64(kArray + 2 * 16, MemMapMaker::kVmemmap.value | 3);
  std::string text = maker.Vmcoreinfo("SYMBOL(mem_section)");
  text.erase(text.find("LENGTH(mem_section)"), std::string("LENGTH(mem_section)=2048\n").size());
  text.erase(text.find("NUMBER(MAX_PHYSMEM_BITS)"),
             std::string("NUMBER(MAX_PHYSMEM_BITS)=46\n").size());
  text += fmt::format(
      "SYMBOL(mem_section)={:x}\nLENGTH(mem_section)=512\nNUMBER(MAX_PHYSMEM_BITS)=36\n",
      kArray.value);
  auto map = Create(text);
  ASSERT_TRUE(map) << map.error().ToString();
  EXPECT_EQ(map->SectionOf(Pfn(2 * MemMapMaker::kPagesPerSection)).state, MemMap::State::kPresent);
  EXPECT_EQ(map->SectionOf(Pfn(0)).state, MemMap::State::kAbsent);
}

TEST_F(MemMapTest, FlatMemoryIsOneArray) {
  memory.PutPointer(VirtAddr(0xffff888000050000), VirtAddr(0xffff888000060000));
  auto map = Create("SIZE(page)=64\nSYMBOL(mem_map)=ffff888000050000\n");
  ASSERT_TRUE(map) << map.error().ToString();
  const MemMap::Section& section = map->SectionOf(Pfn(9));
  EXPECT_EQ(map->AddressOf(section, Pfn(9)), VirtAddr(0xffff888000060000 + 9 * 64));
}

TEST_F(MemMapTest, NumbersThatNoKernelWritesAreRefused) {
  for (auto [key, value] :
       {std::pair("SIZE(page)", "4096"), std::pair("SIZE(page)", "0"),
        std::pair("SIZE(mem_section)", "-1"), std::pair("OFFSET(mem_section.section_mem_map)", "9"),
        std::pair("LENGTH(mem_section)", "0"), std::pair("NUMBER(SECTION_SIZE_BITS)", "5"),
        std::pair("NUMBER(SECTION_SIZE_BITS)", "47"),
        std::pair("NUMBER(MAX_PHYSMEM_BITS)", "64")}) {
    auto map = Create(maker.Vmcoreinfo(key) + key + "=" + value + "\n");
    ASSERT_FALSE(map) << key << "=" << value;
    EXPECT_EQ(map.error().code(), ErrorCode::kCorrupt) << key << "=" << value;
  }
}

TEST_F(MemMapTest, RootsThatCannotBeReadAreToldOnceForAllOfThem) {
  memory.Fail({MemMapMaker::kRoots, MemMapMaker::kRoots + 4096}, ErrorCode::kIo);
  auto map = Create(maker.Vmcoreinfo());
  ASSERT_TRUE(map) << map.error().ToString();
  MemMap::Section section = map->SectionOf(Pfn(0));
  EXPECT_EQ(section.state, MemMap::State::kAbsent);
  EXPECT_EQ(section.failure, ErrorCode::kIo);
  EXPECT_EQ(section.pages.size(), 512 * 256 * MemMapMaker::kPagesPerSection);
}

}  // namespace
}  // namespace hmem::walk
