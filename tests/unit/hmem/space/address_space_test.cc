// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/address_space.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/fakes/fake_source.h"
#include "tests/makers/page_table_maker.h"

namespace hmem::space {
namespace {

using ::testing::HasSubstr;

// A kernel image of three pages at link address + 0x1000000, physically at 16 MiB:
// page 0 holds init_uts_ns, page tables follow from page 16 on.
constexpr uint64_t kKernelMap = 0xffffffff80000000;
constexpr uint64_t kPhysBase = 0x1000000;
constexpr VirtAddr kImage{kKernelMap + 0x1000000};
constexpr PhysAddr kImagePhys{kPhysBase + 0x1000000};
constexpr VirtAddr kUts = kImage + 0x100;
constexpr uint64_t kReleaseOffset = 130;
constexpr VirtAddr kDirectMap{0xffff888000000000};
constexpr std::string_view kRelease = "6.1.0-test";

const arch::Arch& X86() { return **arch::FindArch(62, 8, Endian::kLittle); }

class MadeKernel : public ::testing::Test {
 protected:
  MadeKernel() {
    tables_.Map(kImage, kImagePhys);
    tables_.Map(kImage + 0x1000, kImagePhys + 0x1000);
    source_.memory.AddZero({kImagePhys, kImagePhys + 0x3000});
    source_.memory.WriteText(kImagePhys + 0x100 + kReleaseOffset, kRelease);
  }

  std::string Keys() const {
    return fmt::format(
        "OSRELEASE={}\nSYMBOL(init_uts_ns)={:x}\nOFFSET(uts_namespace.name)=0\n"
        "SYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)={}\n",
        kRelease, kUts.value, kImage.value + 0x10000, kPhysBase);
  }
  Result<AddressSpace> Create(std::string_view keys) {
    Findings ignored;
    vmcoreinfo_ = Vmcoreinfo::Parse(keys, ignored);
    return AddressSpace::Create(source_, X86(), vmcoreinfo_, findings_);
  }
  bool Found(std::string_view id) const {
    return std::any_of(findings_.all().begin(), findings_.all().end(),
                       [&](const Finding& f) { return f.id == id; });
  }

  fakes::FakeSource source_;
  makers::X86PageTables tables_{source_.memory, kImagePhys + 0x10000, 4};
  Vmcoreinfo vmcoreinfo_;
  Findings findings_;
};

TEST_F(MadeKernel, IsReadThroughItsPageTables) {
  auto space = Create(Keys());
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_TRUE(space->uses_page_tables());
  EXPECT_TRUE(findings_.all().empty());
  EXPECT_EQ(space->Text(kUts + kReleaseOffset, 65), kRelease);
}

TEST_F(MadeKernel, LendsWhatLiesInOnePiece) {
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  EXPECT_FALSE(space->Borrow(kImage + 0x100, 0x1800));  // the source does not lend
  source_.lends = true;
  auto lent = space->Borrow(kImage + 0x100, 0x1800);
  ASSERT_TRUE(lent);
  std::vector<std::byte> read(0x1800);
  ASSERT_TRUE(space->Read(kImage + 0x100, read));
  EXPECT_TRUE(std::ranges::equal(*lent, read));
}

TEST_F(MadeKernel, DoesNotLendWhatIsScatteredNotMappedOrEmpty) {
  tables_.Map(kDirectMap, PhysAddr(0x9000)).Map(kDirectMap + 0x1000, PhysAddr(0x7000));
  source_.memory.AddZero({PhysAddr(0x7000), PhysAddr(0xa000)});
  source_.lends = true;
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  EXPECT_TRUE(space->Borrow(kDirectMap, 0x1000));
  EXPECT_FALSE(space->Borrow(kDirectMap, 0x1001));
  EXPECT_FALSE(space->Borrow(kDirectMap + 0x1000, 0x1001));
  EXPECT_FALSE(space->Borrow(kDirectMap + 0x2000, 1));
  EXPECT_FALSE(space->Borrow(kDirectMap, 0));
}

TEST_F(MadeKernel, IsReadAcrossPagesThatAreScatteredInMemory) {
  tables_.Map(kDirectMap, PhysAddr(0x9000)).Map(kDirectMap + 0x1000, PhysAddr(0x7000));
  source_.memory.PutU32(PhysAddr(0x9ffc), 0x11111111);
  source_.memory.PutU32(PhysAddr(0x7000), 0x22222222);
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  EXPECT_EQ(space->U64(kDirectMap + 0xffc), 0x2222222211111111);
}

TEST_F(MadeKernel, IsReadAcrossPagesThatAreNeighbours) {
  tables_.Map(kDirectMap, PhysAddr(0x8000)).Map(kDirectMap + 0x1000, PhysAddr(0x9000));
  source_.memory.PutU64(PhysAddr(0x8ffc), 0x2222222211111111);
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  EXPECT_EQ(space->U64(kDirectMap + 0xffc), 0x2222222211111111);
}

TEST_F(MadeKernel, ReadsLargePagesFromTheCacheToo) {
  tables_.Map(kDirectMap, PhysAddr(0), 2 << 20);
  source_.memory.PutU64(PhysAddr(0x8000), 1);
  source_.memory.PutU64(PhysAddr(0x1ff000), 2);
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  EXPECT_EQ(space->U64(kDirectMap + 0x8000), 1u);
  source_.memory.PutU64(tables_.Slot(kDirectMap, 2), 0);  // the cached mapping stays
  EXPECT_EQ(space->U64(kDirectMap + 0x1ff000), 2u);
}

TEST_F(MadeKernel, SaysWhichVirtualAddressWasExcluded) {
  tables_.Map(kDirectMap, PhysAddr(0x9000));
  source_.memory.Fail({PhysAddr(0x9000), PhysAddr(0xa000)}, ErrorCode::kExcluded);
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  auto value = space->U64(kDirectMap + 8);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kExcluded);
  EXPECT_THAT(value.error().ToString(), HasSubstr("virt 0xffff888000000008"));
}

TEST_F(MadeKernel, DoesNotReadPastTheEndOfTheAddressSpace) {
  tables_.Map(VirtAddr(0xfffffffffffff000), PhysAddr(0x9000));
  source_.memory.AddZero({PhysAddr(0x9000), PhysAddr(0xa000)});
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  EXPECT_FALSE(space->U64(VirtAddr(0xfffffffffffffffc)));
}

TEST_F(MadeKernel, KeepsNotPresentApartFromTheFixedMapping) {
  auto space = Create(Keys());
  ASSERT_TRUE(space);
  // The third page of the image is RAM, but the kernel unmapped it.
  auto value = space->U64(kImage + 0x2000);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kNotMapped);
}

TEST_F(MadeKernel, UsesTheFixedMappingWhereATableIsNotInTheDump) {
  // Everything but the PGD and what leads to the image is gone.
  const PhysAddr pte_page(tables_.Slot(kImage, 1).value & ~uint64_t{0xfff});
  source_.memory.Fail({pte_page, pte_page + 0x1000}, ErrorCode::kTruncated);
  auto space = Create(Keys());
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_EQ(space->Text(kUts + kReleaseOffset, 65), kRelease);
}

TEST_F(MadeKernel, FallsBackToTheFixedMappingWhenTablesLeadElsewhere) {
  source_.memory.AddZero({PhysAddr(0x9000), PhysAddr(0xa000)});
  tables_.Map(kImage, PhysAddr(0x9000));
  auto space = Create(Keys());
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_FALSE(space->uses_page_tables());
  EXPECT_TRUE(Found("space.tables"));
  EXPECT_EQ(space->Text(kUts + kReleaseOffset, 65), kRelease);
}

TEST_F(MadeKernel, FallsBackToPtLoadWithoutARoot) {
  source_.segments = {{.virt = {kImage, kImage + 0x3000}, .phys = kImagePhys},
                      {.virt = {kDirectMap, kDirectMap + 0x800}, .phys = PhysAddr(0x9000)}};
  source_.memory.PutU64(PhysAddr(0x9010), 42);
  auto space =
      Create(fmt::format("OSRELEASE={}\nSYMBOL(init_uts_ns)={:x}\n", kRelease, kUts.value));
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_TRUE(Found("space.tables"));
  EXPECT_THAT(findings_.all()[0].places[0], HasSubstr("swapper_pg_dir"));
  EXPECT_EQ(space->U64(kDirectMap + 0x10), 42u);
  EXPECT_EQ(space->U64(kDirectMap + 0x800).error().code(), ErrorCode::kNotMapped);
}

TEST_F(MadeKernel, IsCorruptWhenNothingLeadsToTheRelease) {
  source_.memory.WriteText(kImagePhys + 0x100 + kReleaseOffset, "4.4.0-else");
  auto space = Create(Keys());
  ASSERT_FALSE(space);
  EXPECT_EQ(space.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(space.error().ToString(), HasSubstr("does not hold the release 6.1.0-test"));
}

TEST_F(MadeKernel, GoesOnUncheckedWhenThePageOfTheReleaseIsMissing) {
  source_.memory.Fail({kImagePhys, kImagePhys + 0x1000}, ErrorCode::kTruncated);
  auto space = Create(Keys());
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_TRUE(space->uses_page_tables());
  EXPECT_TRUE(Found("space.unchecked"));
}

TEST_F(MadeKernel, GoesOnUncheckedWithoutInitUtsNs) {
  auto space = Create(fmt::format("SYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)={}\n",
                                  kImage.value + 0x10000, kPhysBase));
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_TRUE(Found("space.unchecked"));
}

TEST_F(MadeKernel, FindsTheNameBehindAKrefWithoutTheOffsetKey) {
  // Before 5.11 uts_namespace began with a kref of 4 bytes and the offset was not exported.
  source_.memory.AddZero({kImagePhys, kImagePhys + 0x1000});
  source_.memory.WriteText(kImagePhys + 0x100 + kReleaseOffset, std::string(20, '\0'));
  source_.memory.WriteText(kImagePhys + 0x104 + kReleaseOffset, kRelease);
  auto space = Create(fmt::format(
      "OSRELEASE={}\nSYMBOL(init_uts_ns)={:x}\nSYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)={}\n",
      kRelease, kUts.value, kImage.value + 0x10000, kPhysBase));
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_TRUE(findings_.all().empty());
}

TEST_F(MadeKernel, IsUnsupportedOnAnArchitectureThatTranslatesNothing) {
  arch::Arch bare = X86();
  bare.translate = nullptr;
  bare.fixed_translation = nullptr;
  Findings ignored;
  auto space = AddressSpace::Create(source_, bare, Vmcoreinfo::Parse(Keys(), ignored), findings_);
  ASSERT_FALSE(space);
  EXPECT_EQ(space.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::space
