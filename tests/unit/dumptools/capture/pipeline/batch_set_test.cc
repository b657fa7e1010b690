// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/batch_set.h"

#include <gtest/gtest.h>

namespace hmem::capture {
namespace {

// Gives so many times, and then no more.
TakeMemory Times(int times) {
  return [times](size_t bytes) mutable -> Result<AnonymousMemory> {
    if (times-- <= 0) return Fail(ErrorCode::kLimit, "none left");
    return AnonymousMemory::Take(bytes);
  };
}

TEST(BatchSet, HasTwoForEachWorkerAndOneWithout) {
  auto one = BatchSet::Take(4096, 0, 2, true, Times(100));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->size(), 1u);
  auto three = BatchSet::Take(4096, 3, 0, true, Times(100));
  ASSERT_TRUE(three);
  EXPECT_EQ(three->size(), 6u);
  EXPECT_EQ(three->workers(), 3u);
  EXPECT_EQ(three->memory_bytes(), 6 * PageBatch::MemoryBytes(4096, true));
  EXPECT_EQ(&three->At(7), &three->At(1));
}

TEST(BatchSet, HasAsManyWorkersAsThereIsMemoryFor) {
  struct {
    unsigned spare;
    int pieces;  // two a batch
    unsigned workers;
    size_t batches;
  } const cases[] = {{0, 12, 3, 6}, {0, 11, 2, 4}, {0, 8, 2, 4},  {0, 7, 1, 2},  {0, 4, 1, 2},
                     {0, 3, 0, 1},  {0, 2, 0, 1},  {2, 16, 3, 8}, {2, 14, 3, 7}, {2, 12, 3, 6},
                     {2, 10, 2, 5}, {2, 4, 1, 2},  {2, 2, 0, 1}};
  for (const auto& expected : cases) {
    auto set = BatchSet::Take(4096, 3, expected.spare, true, Times(expected.pieces));
    ASSERT_TRUE(set) << expected.pieces;
    EXPECT_EQ(set->workers(), expected.workers) << expected.pieces;
    EXPECT_EQ(set->size(), expected.batches) << expected.pieces;
    EXPECT_TRUE(set->At(0).packs());
  }
}

TEST(BatchSet, FewerWorkersKeepTheSpareOnes) {
  auto set = BatchSet::Take(4096, 3, 2, true, Times(100));
  ASSERT_TRUE(set);
  EXPECT_EQ(set->size(), 8u);
  set->Shrink(1);
  EXPECT_EQ(set->workers(), 1u);
  EXPECT_EQ(set->size(), 4u);
  set->Shrink(0);
  EXPECT_EQ(set->size(), 1u);
}

TEST(BatchSet, TheLeastIsOneWithoutPacking) {
  // The first try for two pieces gets neither of what is left.
  int tries = 0;
  auto set = BatchSet::Take(4096, 4, 0, true, [&](size_t bytes) -> Result<AnonymousMemory> {
    if (++tries == 2) return Fail(ErrorCode::kLimit, "none left");
    return AnonymousMemory::Take(bytes);
  });
  ASSERT_TRUE(set);
  EXPECT_EQ(set->size(), 1u);
  EXPECT_FALSE(set->At(0).packs());
  auto nothing = BatchSet::Take(4096, 4, 0, true, Times(0));
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code(), ErrorCode::kLimit);
}

TEST(BatchSet, LargePagesTakeNoMoreThanSmallOnes) {
  EXPECT_LE(PageBatch::MemoryBytes(65536, true), PageBatch::MemoryBytes(4096, true));
  EXPECT_LT(PageBatch::MemoryBytes(4096, true), 2400u << 10);
}

}  // namespace
}  // namespace hmem::capture
