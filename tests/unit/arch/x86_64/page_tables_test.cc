// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/page_tables.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/page_table_maker.h"

namespace hmem::arch::x86_64 {
namespace {

using ::testing::HasSubstr;

constexpr PhysAddr kRoot{0x1000};
constexpr VirtAddr kDirectMap4{0xffff888000000000};
constexpr VirtAddr kDirectMap5{0xff11000000000000};

TranslationFacts Facts(int levels, PhysAddr root = kRoot) {
  return {.root = root, .levels = levels};
}

class X86Walk : public ::testing::TestWithParam<int> {
 protected:
  int levels() const { return GetParam(); }
  VirtAddr direct_map() const { return levels() == 5 ? kDirectMap5 : kDirectMap4; }
  Result<Mapping> Translate(VirtAddr addr) { return x86_64::Walk(phys_, Facts(levels()), addr); }

  fakes::FakePhysMemory phys_;
  makers::X86PageTables tables_{phys_, kRoot, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Levels, X86Walk, ::testing::Values(4, 5));

TEST_P(X86Walk, FindsA4KiBPage) {
  tables_.Map(direct_map() + 0x5000, PhysAddr(0x7000));
  auto mapping = Translate(direct_map() + 0x5678);
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_EQ(mapping->virt, (VirtRange{direct_map() + 0x5000, direct_map() + 0x6000}));
  EXPECT_EQ(mapping->phys, PhysAddr(0x7000));
}

TEST_P(X86Walk, FindsA2MiBPage) {
  tables_.Map(direct_map() + 0x200000, PhysAddr(0x40000000), 2 << 20);
  auto mapping = Translate(direct_map() + 0x345678);
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_EQ(mapping->virt, (VirtRange{direct_map() + 0x200000, direct_map() + 0x400000}));
  EXPECT_EQ(mapping->phys, PhysAddr(0x40000000));
}

TEST_P(X86Walk, FindsA1GiBPage) {
  tables_.Map(direct_map() + 0x40000000, PhysAddr(0x1000000000), 1 << 30);
  auto mapping = Translate(direct_map() + 0x7fffffff);
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_EQ(mapping->virt.size(), uint64_t{1} << 30);
  EXPECT_EQ(mapping->phys, PhysAddr(0x1000000000));
}

TEST_P(X86Walk, FindsPagesOfTheKernelImage) {
  tables_.Map(VirtAddr(0xffffffff81000000), PhysAddr(0x11a00000), 2 << 20);
  auto mapping = Translate(VirtAddr(0xffffffff81000010));
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_EQ(mapping->phys, PhysAddr(0x11a00000));
}

TEST_P(X86Walk, FindsTheLastPageOfTheAddressSpace) {
  tables_.Map(VirtAddr(0xfffffffffffff000), PhysAddr(0x9000));
  auto mapping = Translate(VirtAddr(0xfffffffffffff800));
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_TRUE(mapping->virt.contains(VirtAddr(0xfffffffffffff800)));
  EXPECT_EQ(mapping->phys, PhysAddr(0x9000));
}

TEST_P(X86Walk, NamesTheLevelThatIsNotPresent) {
  constexpr std::array<std::string_view, 5> kNames = {"", "PTE", "PMD", "PUD", "P4D"};
  for (int level = 1; level <= levels(); ++level) {
    tables_.Map(direct_map(), PhysAddr(0x7000));
    const PhysAddr slot = tables_.Slot(direct_map(), level);
    std::array<std::byte, 8> saved;
    ASSERT_TRUE(phys_.Read(slot, saved));
    phys_.PutU64(slot, 0x7000);  // an address, but not present
    auto mapping = Translate(direct_map());
    ASSERT_FALSE(mapping);
    EXPECT_EQ(mapping.error().code(), ErrorCode::kNotMapped);
    const std::string name(level == levels() ? "PGD" : kNames[static_cast<size_t>(level)]);
    EXPECT_THAT(mapping.error().ToString(), HasSubstr(name + " entry at phys"));
    phys_.Write(slot, saved);
  }
}

TEST_P(X86Walk, KeepsTheCodeOfATablePageThatIsNotInTheDump) {
  for (ErrorCode code : {ErrorCode::kExcluded, ErrorCode::kTruncated, ErrorCode::kIo}) {
    for (int level = 1; level <= levels(); ++level) {
      fakes::FakePhysMemory phys;
      makers::X86PageTables tables(phys, kRoot, levels());
      tables.Map(direct_map(), PhysAddr(0x7000));
      const PhysAddr slot = tables.Slot(direct_map(), level);
      phys.Fail({slot, slot + 8}, code);
      auto mapping = x86_64::Walk(phys, Facts(levels()), direct_map());
      ASSERT_FALSE(mapping);
      EXPECT_EQ(mapping.error().code(), code);
      EXPECT_THAT(mapping.error().ToString(), HasSubstr("entry at phys"));
    }
  }
}

TEST_P(X86Walk, CallsATableWithoutRamCorrupt) {
  phys_.PutU64(tables_.Slot(direct_map(), levels()), 0xdead000067);
  auto mapping = Translate(direct_map());
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(mapping.error().ToString(), HasSubstr("no RAM there"));
}

TEST_P(X86Walk, CallsAPageSizeBitAtTheTopCorrupt) {
  phys_.PutU64(tables_.Slot(direct_map(), levels()), 0x2000 | 0xe7);
  EXPECT_EQ(Translate(direct_map()).error().code(), ErrorCode::kCorrupt);
}

TEST_P(X86Walk, EndsInTablesThatPointAtThemselves) {
  for (uint64_t slot = 0; slot < 512; ++slot) phys_.PutU64(kRoot + slot * 8, kRoot.value | 0x67);
  auto mapping = Translate(direct_map() + 0x123456);
  ASSERT_TRUE(mapping);
  EXPECT_EQ(mapping->phys, kRoot);
}

TEST_P(X86Walk, StripsTheEncryptionBit) {
  constexpr uint64_t kSme = uint64_t{1} << 47;
  fakes::FakePhysMemory phys;
  makers::X86PageTables tables(phys, kRoot, levels());
  tables.EntryBits(kSme).Map(direct_map(), PhysAddr(0x7000));
  TranslationFacts facts = Facts(levels());
  facts.encryption_mask = kSme;
  auto mapping = x86_64::Walk(phys, facts, direct_map());
  ASSERT_TRUE(mapping) << mapping.error().ToString();
  EXPECT_EQ(mapping->phys, PhysAddr(0x7000));
}

TEST_P(X86Walk, RefusesAddressesThatAreNotCanonical) {
  auto mapping = Translate(VirtAddr(uint64_t{1} << 60));
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().code(), ErrorCode::kNotMapped);
  EXPECT_THAT(mapping.error().ToString(), HasSubstr("not canonical"));
}

TEST(X86WalkLevels, TakesTheFiveLevelDirectMapForNotCanonicalWithFour) {
  fakes::FakePhysMemory phys;
  makers::X86PageTables tables(phys, kRoot, 4);
  EXPECT_THAT(x86_64::Walk(phys, Facts(4), kDirectMap5).error().ToString(),
              HasSubstr("not canonical"));
}

TEST(X86WalkLevels, RefusesLevelsThatDoNotExist) {
  fakes::FakePhysMemory phys;
  EXPECT_EQ(x86_64::Walk(phys, Facts(3), kDirectMap4).error().code(), ErrorCode::kInvalidArgument);
}

class X86Numbers : public ::testing::Test {
 protected:
  Result<TranslationFacts> Make() {
    return FactsFromNumbers([this](std::string_view key) -> std::optional<uint64_t> {
      auto it = keys_.find(key);
      if (it == keys_.end()) return std::nullopt;
      return it->second;
    });
  }
  std::map<std::string, uint64_t, std::less<>> keys_ = {
      {"SYMBOL(swapper_pg_dir)", 0xffffffffa1e10000},
      {"NUMBER(phys_base)", static_cast<uint64_t>(-245366784)},
      {"NUMBER(pgtable_l5_enabled)", 1},
      {"NUMBER(sme_mask)", 0},
      {"NUMBER(KERNEL_IMAGE_SIZE)", 1 << 30},
      {"KERNELOFFSET", 0x1f400000},
  };
};

TEST_F(X86Numbers, LeadToTheRoot) {
  auto facts = Make();
  ASSERT_TRUE(facts) << facts.error().ToString();
  EXPECT_EQ(facts->root, PhysAddr(0x13410000));
  EXPECT_EQ(facts->levels, 5);
  EXPECT_EQ(facts->kernel_offset, 0x1f400000u);
  EXPECT_EQ(KernelImage(*facts, VirtAddr(0xffffffffa0400000)), PhysAddr(0x11a00000));
}

TEST_F(X86Numbers, TakeInitTopPgtWithoutSwapperPgDir) {
  keys_["SYMBOL(init_top_pgt)"] = keys_["SYMBOL(swapper_pg_dir)"];
  keys_.erase("SYMBOL(swapper_pg_dir)");
  ASSERT_TRUE(Make());
  EXPECT_EQ(Make()->root, PhysAddr(0x13410000));
}

TEST_F(X86Numbers, MeanFourLevelsWithoutTheKey) {
  keys_.erase("NUMBER(pgtable_l5_enabled)");
  EXPECT_EQ(Make()->levels, 4);
}

TEST_F(X86Numbers, WithoutARootAreNotEnough) {
  keys_.erase("SYMBOL(swapper_pg_dir)");
  EXPECT_EQ(Make().error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(Make().error().ToString(), HasSubstr("swapper_pg_dir"));
}

TEST_F(X86Numbers, WithoutPhysBaseAreNotEnough) {
  keys_.erase("NUMBER(phys_base)");
  EXPECT_EQ(Make().error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(Make().error().ToString(), HasSubstr("phys_base"));
}

TEST_F(X86Numbers, WithARootOutsideTheImageAreCorrupt) {
  keys_["SYMBOL(swapper_pg_dir)"] = 0xffff888000001000;
  EXPECT_EQ(Make().error().code(), ErrorCode::kCorrupt);
}

TEST_F(X86Numbers, WithAnImpossibleImageSizeFallBackToTheDefault) {
  keys_["NUMBER(KERNEL_IMAGE_SIZE)"] = ~uint64_t{0};
  keys_["SYMBOL(swapper_pg_dir)"] = 0xffffffff82610000;
  auto facts = Make();
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->fixed.size(), 512u << 20);
}

TEST_F(X86Numbers, FixTheKernelImageOnly) {
  auto facts = Make();
  ASSERT_TRUE(facts);
  EXPECT_FALSE(KernelImage(*facts, VirtAddr(0xffffffffc0000000)));  // module space
  EXPECT_FALSE(KernelImage(*facts, VirtAddr(0xff11000000000000)));
}

class Visited final : public TableVisitor {
 public:
  bool Table(PhysAddr start, uint64_t) override {
    tables.push_back(start);
    return tables.size() < limit;
  }
  void Leaf(const Mapping& mapping) override { leaves.push_back(mapping); }
  void Unreadable(PhysAddr start, const Error& error) override {
    unreadable.push_back(start);
    why = error.ToString();
  }

  size_t limit = 10000;
  std::vector<PhysAddr> tables, unreadable;
  std::string why;
  std::vector<Mapping> leaves;
};

TEST_P(X86Walk, VisitsTheHalfThatIsAskedForAndTellsAddressesAsTheWalkDoes) {
  tables_.Map(direct_map(), PhysAddr(0x40000000), 1 << 30);
  tables_.Map(direct_map() + 0x40000000, PhysAddr(0x200000), 2 << 20);
  tables_.Map(VirtAddr(0x7f0000005000), PhysAddr(0x9000));
  Visited kernel, user;
  VisitTables(phys_, Facts(levels()), Half::kKernel, kernel);
  ASSERT_EQ(kernel.leaves.size(), 2u);
  for (const Mapping& leaf : kernel.leaves) {
    auto walked = Translate(leaf.virt.start);
    ASSERT_TRUE(walked);
    EXPECT_EQ(walked->virt, leaf.virt);
    EXPECT_EQ(walked->phys, leaf.phys);
  }
  VisitTables(phys_, Facts(levels()), Half::kUser, user);
  ASSERT_EQ(user.leaves.size(), 1u);
  EXPECT_EQ(user.leaves[0].virt.start, VirtAddr(0x7f0000005000));
  EXPECT_EQ(user.leaves[0].phys, PhysAddr(0x9000));
  EXPECT_EQ(user.tables.size(), static_cast<size_t>(levels()));
  EXPECT_EQ(user.tables.front(), kRoot);
}

// 512 entries at each level that lead to one table would be 2^36 tables.
TEST_P(X86Walk, TablesThatLieInManyPlacesEndWhenTheVisitorHasEnough) {
  PhysAddr table = kRoot;
  for (int level = levels(); level > 1; --level, table = table + 0x1000) {
    for (uint64_t i = 0; i < 512; ++i) phys_.PutU64(table + 8 * i, (table + 0x1000).value | 0x67);
  }
  phys_.AddZero({table, table + 0x1000});
  Visited visited;
  visited.limit = 1000;
  VisitTables(phys_, Facts(levels()), Half::kKernel, visited);
  // Tables that are refused are still counted, once for each entry of those begun.
  EXPECT_GE(visited.tables.size(), 1000u);
  EXPECT_LT(visited.tables.size(), 1000u + 512u * 5);
}

TEST_P(X86Walk, AnEntryThatLeadsBackUpIsToldAndTheRestVisited) {
  // In the next entry of the root.
  const VirtAddr behind = direct_map() + (uint64_t{1} << (levels() == 5 ? 48 : 39));
  for (int level = 2; level <= levels(); ++level) {
    fakes::FakePhysMemory phys;
    makers::X86PageTables tables(phys, kRoot, levels());
    tables.Map(direct_map(), PhysAddr(0x7000));
    tables.Map(behind, PhysAddr(0x8000));
    const PhysAddr slot = tables.Slot(direct_map(), level);
    phys.PutU64(slot, kRoot.value | 0x67);
    Visited visited;
    VisitTables(phys, Facts(levels()), Half::kKernel, visited);
    EXPECT_EQ(visited.unreadable, std::vector<PhysAddr>{kRoot}) << level;
    EXPECT_NE(visited.why.find(fmt::format("entry at phys {:#x}", slot.value)), std::string::npos)
        << visited.why;
    ASSERT_EQ(visited.leaves.size(), 1u) << level;
    EXPECT_EQ(visited.leaves[0].phys, PhysAddr(0x8000));
  }
}

TEST_P(X86Walk, ATableThatIsNotThereIsToldAndTheRestVisited) {
  tables_.Map(direct_map(), PhysAddr(0x7000));
  tables_.Map(direct_map() + (uint64_t{1} << 39), PhysAddr(0x8000));
  phys_.PutU64(tables_.Slot(direct_map(), 4), 0xabc000 | 0x67);
  Visited visited;
  VisitTables(phys_, Facts(levels()), Half::kKernel, visited);
  EXPECT_EQ(visited.unreadable, std::vector<PhysAddr>{PhysAddr(0xabc000)});
  ASSERT_EQ(visited.leaves.size(), 1u);
  EXPECT_EQ(visited.leaves[0].phys, PhysAddr(0x8000));
}

}  // namespace
}  // namespace hmem::arch::x86_64
