// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/kernel_mappings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/fakes/fake_source.h"
#include "tests/makers/page_table_maker.h"

namespace hmem::space {
namespace {

constexpr uint64_t kLargePage = 2 << 20;
constexpr uint64_t kKernelMap = 0xffffffff80000000;
constexpr uint64_t kPhysBase = 0x3000000;
constexpr VirtAddr kImage{kKernelMap + 0x1000000};
constexpr PhysAddr kImagePhys{kPhysBase + 0x1000000};
constexpr VirtAddr kUts = kImage + 0x100;
constexpr uint64_t kReleaseOffset = 130;
constexpr VirtAddr kDirectMap{0xffff9a8000000000};
constexpr VirtAddr kVmalloc{0xffffb00000000000};
constexpr VirtAddr kModules{0xffffffffc0000000};
constexpr std::string_view kRelease = "6.1.0-test";
constexpr PhysRange kLow{PhysAddr(0), PhysAddr(2 * kLargePage)};
constexpr PhysRange kHigh{kImagePhys, kImagePhys + 4 * kLargePage};

// Two ranges of RAM in the direct mapping; the image of two large pages; a page of a module and one
// that was vmalloc()ed, both somewhere in RAM.
class MappedKernel : public ::testing::Test {
 protected:
  MappedKernel() {
    source_.memory.AddZero(kLow);
    source_.memory.AddZero(kHigh);
    for (const PhysRange& range : {kLow, kHigh}) {
      for (PhysAddr at = range.start; at < range.end; at = at + kLargePage)
        tables_.Map(VirtAddr(kDirectMap.value + at.value), at, kLargePage);
    }
    tables_.Map(kImage, kImagePhys, kLargePage);
    tables_.Map(kImage + kLargePage, kImagePhys + kLargePage, kLargePage);
    tables_.Map(kModules, PhysAddr(0x5000));
    tables_.Map(kVmalloc, PhysAddr(0x9000));
    source_.memory.WriteText(kImagePhys + 0x100 + kReleaseOffset, kRelease);
    source_.AddVmcoreinfo(
        fmt::format("OSRELEASE={}\nSYMBOL(init_uts_ns)={:x}\nOFFSET(uts_namespace.name)=0\n"
                    "SYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)={}\n",
                    kRelease, kUts.value, (kImage + kLargePage).value, kPhysBase));
  }

  fakes::FakeSource source_;
  makers::X86PageTables tables_{source_.memory, kImagePhys + kLargePage, 4};
};

bool Has(const std::vector<source::VirtSegment>& segments, VirtRange virt, PhysAddr phys) {
  for (const source::VirtSegment& segment : segments) {
    if (segment.virt == virt && segment.phys == phys) return true;
  }
  return false;
}

TEST_F(MappedKernel, HasItsImageAndTheDirectMappingOfEachRange) {
  auto found = KernelMappings(source_);
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_EQ(found->size(), 3u);
  EXPECT_TRUE(Has(*found, {kImage, kImage + 2 * kLargePage}, kImagePhys));
  for (const PhysRange& range : {kLow, kHigh}) {
    const VirtAddr start(kDirectMap.value + range.start.value);
    EXPECT_TRUE(Has(*found, {start, start + range.size()}, range.start));
  }
}

TEST_F(MappedKernel, DoesNotGoAroundInALoopOfTables) {
  // Every entry of the direct mapping's top leads to the root again.
  for (uint64_t i = 0; i < 8; ++i) {
    source_.memory.PutU64(tables_.Slot(kDirectMap + (i << 39), 4), tables_.root().value | 0x67);
  }
  auto found = KernelMappings(source_);
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_TRUE(Has(*found, {kImage, kImage + 2 * kLargePage}, kImagePhys));
}

TEST_F(MappedKernel, WithoutTablesThereAreNone) {
  source_.memory.Fail({tables_.root(), tables_.root() + 4096}, ErrorCode::kIo);
  auto found = KernelMappings(source_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kNotMapped);
}

TEST(KernelMappings, AskForVmcoreinfo) {
  fakes::FakeSource source;
  source.memory.AddZero(kLow);
  auto found = KernelMappings(source);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hmem::space
