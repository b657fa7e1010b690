// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/footprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hmem::loader {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;
constexpr MeasuredFootprint kRows[] = {
    {"6.1.*-cloud-amd64", 512, 52 * 1024, 6 * 1024, 70},
    {"6.1.*-cloud-amd64", 4096, 52 * 1024, 6 * 1024, 74},
    {"6.1.*-small", 512, 12 * 1024, 5 * 1024, 30},
};

FootprintFacts CloudKernel() {
  return {.release = "6.1.0-56-cloud-amd64",
          .init_size_bytes = 52 * kMiB,
          .initramfs_bytes = 6 * kMiB,
          .cpus = 1};
}

uint64_t SumOf(const Footprint& made) {
  uint64_t sum = 0;
  for (const FootprintPart& part : made.parts) sum += part.bytes;
  return sum;
}

TEST(Footprint, TakesTheMostThatWasMeasuredWithTheKernelAndAMargin) {
  Footprint made = EstimateFootprint(CloudKernel(), kRows);
  EXPECT_TRUE(made.measured);
  EXPECT_EQ(made.parts.front().bytes, 74 * kMiB);
  EXPECT_THAT(made.parts.front().what, HasSubstr("512 and 4096 MiB"));
  EXPECT_EQ(made.advised_bytes, 96 * kMiB);  // 74 and 16, rounded up to 8
  EXPECT_EQ(SumOf(made), made.advised_bytes);
}

TEST(Footprint, CountsALargerInitramfsTwice) {
  FootprintFacts facts = CloudKernel();
  facts.initramfs_bytes = 16 * kMiB;
  EXPECT_EQ(EstimateFootprint(facts, kRows).advised_bytes, 112 * kMiB);  // 74 + 2 * 10 + 16
}

TEST(Footprint, ASmallerInitramfsIsNoReasonForLess) {
  FootprintFacts facts = CloudKernel();
  facts.initramfs_bytes = kMiB;
  EXPECT_EQ(EstimateFootprint(facts, kRows).advised_bytes, 96 * kMiB);
}

TEST(Footprint, AddsForEveryFurtherCpu) {
  FootprintFacts facts = CloudKernel();
  facts.cpus = 4;
  EXPECT_EQ(EstimateFootprint(facts, kRows).advised_bytes, 112 * kMiB);  // 74 + 3 * 6 + 16
}

TEST(Footprint, OfAKernelNotMeasuredTheImageAndTheMostWorkCount) {
  FootprintFacts facts = CloudKernel();
  facts.release = "6.1.0-56-amd64";
  facts.init_size_bytes = 90 * kMiB;
  Footprint made = EstimateFootprint(facts, kRows);
  EXPECT_FALSE(made.measured);
  // 90, twice 6, 10 of work (74 of 52 and twice 6), 16
  EXPECT_EQ(made.advised_bytes, 128 * kMiB);
  facts.init_size_bytes = 100 * kMiB;
  made = EstimateFootprint(facts, kRows);
  EXPECT_EQ(made.advised_bytes, 144 * kMiB);
  EXPECT_EQ(SumOf(made), made.advised_bytes);
}

TEST(Footprint, AKernelNotMeasuredNeverGetsLessThan128MiB) {
  EXPECT_EQ(
      EstimateFootprint(
          {.release = "5.10.0-1-mips", .init_size_bytes = kMiB, .initramfs_bytes = kMiB, .cpus = 1},
          kRows)
          .advised_bytes,
      128 * kMiB);
}

TEST(Footprint, OfNothingKnownTheUsualIsTaken) {
  Footprint made = EstimateFootprint({}, kRows);
  EXPECT_FALSE(made.measured);
  EXPECT_THAT(made.parts.front().what, HasSubstr("usual"));
  EXPECT_EQ(made.advised_bytes, 128 * kMiB);
}

TEST(Footprint, TheTableHasDebiansKernelsAndSaneNumbers) {
  EXPECT_TRUE(EstimateFootprint(CloudKernel()).measured);
  for (const MeasuredFootprint& row : MeasuredFootprints()) {
    // The image is loaded into the memory: less cannot have been measured.
    EXPECT_GE(row.smallest_mib * 1024, row.init_size_kib + row.initramfs_kib) << row.releases;
    EXPECT_GE(row.ram_mib, 2 * row.smallest_mib) << row.releases;
    EXPECT_LE(row.smallest_mib, 256u) << row.releases;
  }
}

}  // namespace
}  // namespace hmem::loader
