// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/ppc32/page_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/page_table_maker.h"

namespace hmem::arch::ppc32 {
namespace {

using ::testing::HasSubstr;

constexpr PhysAddr kRoot{0x4000};
constexpr VirtAddr kVmalloc{0xf1000000};

class PpcTables : public ::testing::Test {
 protected:
  Result<Mapping> Translate(VirtAddr addr) { return Walk(phys_, facts_, addr); }

  fakes::FakePhysMemory phys_{Endian::kBig};
  makers::PpcPageTables tables_{phys_, kRoot};
  TranslationFacts facts_{.root = kRoot,
                          .levels = 2,
                          .fixed = {VirtAddr(kKernelBase), VirtAddr(kKernelBase + 0x10000000)}};
};

TEST_F(PpcTables, MapA4KiBPage) {
  tables_.Map(kVmalloc + 0x3000, PhysAddr(0x765000));
  auto mapping = Translate(kVmalloc + 0x3abc);
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_EQ(mapping->virt, (VirtRange{kVmalloc + 0x3000, kVmalloc + 0x4000}));
  EXPECT_EQ(mapping->phys, PhysAddr(0x765000));
}

TEST_F(PpcTables, LeaveLowmemToTheBats) {
  auto mapping = Translate(VirtAddr(0xc0123456));
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_EQ(mapping->virt.start, VirtAddr(0xc0123000));
  EXPECT_EQ(mapping->phys, PhysAddr(0x123000));
}

TEST_F(PpcTables, WinOverTheBatsWhereTheyHaveAnEntry) {
  tables_.Map(VirtAddr(0xc0123000), PhysAddr(0x777000));
  EXPECT_EQ(Translate(VirtAddr(0xc0123456))->phys, PhysAddr(0x777000));
}

TEST_F(PpcTables, SayThatThePgdEntryIsNotPresent) {
  auto mapping = Translate(kVmalloc);
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().code(), ErrorCode::kNotMapped);
  EXPECT_THAT(mapping.error().ToString(), HasSubstr("PGD entry"));
}

TEST_F(PpcTables, SayThatThePteEntryIsNotPresent) {
  tables_.Map(kVmalloc, PhysAddr(0x765000));
  auto mapping = Translate(kVmalloc + 0x1000);
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().code(), ErrorCode::kNotMapped);
  EXPECT_THAT(mapping.error().ToString(), HasSubstr("PTE entry"));
}

TEST_F(PpcTables, RefuseAPgdEntryWithLowBits) {
  phys_.PutU32(tables_.Slot(kVmalloc, 2), 0x5001);
  EXPECT_EQ(Translate(kVmalloc).error().code(), ErrorCode::kCorrupt);
}

TEST_F(PpcTables, KeepTheCodeOfATablePageThatIsNotInTheDump) {
  tables_.Map(kVmalloc, PhysAddr(0x765000));
  const PhysAddr slot = tables_.Slot(kVmalloc, 1);
  phys_.Fail({slot, slot + 4}, ErrorCode::kExcluded);
  EXPECT_EQ(Translate(kVmalloc).error().code(), ErrorCode::kExcluded);
}

TEST_F(PpcTables, CallATableWithoutRamCorrupt) {
  phys_.PutU32(tables_.Slot(kVmalloc, 2), 0x7fff0000);
  EXPECT_EQ(Translate(kVmalloc).error().code(), ErrorCode::kCorrupt);
}

TEST_F(PpcTables, EndAt32Bits) {
  EXPECT_EQ(Translate(VirtAddr(0x1c0000000)).error().code(), ErrorCode::kNotMapped);
}

class PpcNumbers : public ::testing::Test {
 protected:
  Result<TranslationFacts> Make() {
    return FactsFromNumbers([this](std::string_view key) -> std::optional<uint64_t> {
      auto it = keys_.find(key);
      if (it == keys_.end()) return std::nullopt;
      return it->second;
    });
  }
  std::map<std::string, uint64_t, std::less<>> keys_ = {{"SYMBOL(swapper_pg_dir)", 0xc0c04000}};
};

TEST_F(PpcNumbers, LeadToTheRoot) {
  auto facts = Make();
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->root, PhysAddr(0xc04000));
  EXPECT_EQ(facts->fixed.size(), kLowmemMaxBytes);
}

TEST_F(PpcNumbers, EndLowmemWhereVmallocStarts) {
  keys_["NUMBER(VMALLOC_START)"] = 0xd1000000;
  EXPECT_EQ(Make()->fixed.end, VirtAddr(0xd1000000));
}

TEST_F(PpcNumbers, WithoutARootAreNotEnough) {
  keys_.clear();
  EXPECT_EQ(Make().error().code(), ErrorCode::kNotFound);
}

TEST_F(PpcNumbers, WithARootOutsideLowmemAreCorrupt) {
  keys_["SYMBOL(swapper_pg_dir)"] = 0x1000;
  EXPECT_EQ(Make().error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace hmem::arch::ppc32
