// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/kdump_bitmap.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using BitRun = std::pair<uint64_t, uint64_t>;

class Bitmap : public testing::Test {
 protected:
  static constexpr uint64_t kOffset = 100;

  // A file that holds the bits behind kOffset bytes of others.
  const KdumpBitmap& Make(const std::vector<bool>& bits, uint64_t claimed_bits) {
    std::vector<std::byte> bytes(kOffset + (bits.size() + 7) / 8, std::byte{0});
    std::fill_n(bytes.begin(), kOffset, std::byte{0xff});
    for (size_t i = 0; i < bits.size(); ++i) {
      if (bits[i]) bytes[kOffset + i / 8] |= std::byte{1} << (i % 8);
    }
    temp_ = std::make_unique<makers::TempFile>(bytes);
    auto file = DumpFile::Open(temp_->path(), 1 << 20);
    EXPECT_TRUE(file);
    file_ = std::make_unique<DumpFile>(*std::move(file));
    auto bitmap = KdumpBitmap::Index(*file_, kOffset, claimed_bits);
    EXPECT_TRUE(bitmap);
    bitmap_ = *std::move(bitmap);
    return bitmap_;
  }

  static std::vector<BitRun> Runs(const KdumpBitmap& bitmap) {
    std::vector<BitRun> runs;
    EXPECT_TRUE(bitmap.ForEachRun([&](uint64_t first, uint64_t end) {
      runs.emplace_back(first, end);
      return true;
    }));
    return runs;
  }

  std::unique_ptr<makers::TempFile> temp_;
  std::unique_ptr<DumpFile> file_;
  KdumpBitmap bitmap_;
};

TEST_F(Bitmap, AgreesWithCountingBits) {
  std::mt19937 random(1);
  std::vector<bool> bits(3 * KdumpBitmap::kBlockBits + 777);
  // Noise, long runs, and blocks all of one kind.
  for (size_t i = 0; i < bits.size(); ++i) {
    bits[i] = i < 5000    ? random() % 2 == 0
              : i < 40000 ? (i / 3000) % 2 == 0
                          : i > KdumpBitmap::kBlockBits * 2;
  }
  const KdumpBitmap& bitmap = Make(bits, bits.size());
  uint64_t rank = 0;
  std::vector<BitRun> runs;
  for (size_t i = 0; i < bits.size(); ++i) {
    if (i < 6000 || i % 97 == 0 || i + 100 > bits.size()) {
      ASSERT_EQ(bitmap.Test(i), bits[i]) << i;
      ASSERT_EQ(bitmap.Rank(i), rank) << i;
      if (bits[i]) {
        ASSERT_EQ(bitmap.Select(rank), i);
      }
    }
    if (bits[i]) {
      if (runs.empty() || runs.back().second != i) runs.emplace_back(i, i);
      ++runs.back().second;
      ++rank;
    }
  }
  EXPECT_EQ(bitmap.count(), rank);
  EXPECT_EQ(bitmap.Rank(bits.size() + 5), rank);
  EXPECT_EQ(bitmap.Test(bits.size()), false);
  EXPECT_FALSE(bitmap.Select(rank));
  EXPECT_EQ(Runs(bitmap), runs);
}

TEST_F(Bitmap, AllSetIsOneRun) {
  std::vector<bool> bits(2 * KdumpBitmap::kBlockBits, true);
  EXPECT_EQ(Runs(Make(bits, bits.size())), (std::vector<BitRun>{{0, bits.size()}}));
}

TEST_F(Bitmap, BitsBehindTheLastOneDoNotCount) {
  const KdumpBitmap& bitmap = Make(std::vector<bool>(16, true), 11);
  EXPECT_EQ(bitmap.bits(), 11u);
  EXPECT_EQ(bitmap.count(), 11u);
  EXPECT_EQ(Runs(bitmap), (std::vector<BitRun>{{0, 11}}));
}

TEST_F(Bitmap, HasWhatTheFileHas) {
  const KdumpBitmap& bitmap = Make(std::vector<bool>(64, true), uint64_t{1} << 60);
  EXPECT_EQ(bitmap.bits(), 64u);
  EXPECT_EQ(bitmap.count(), 64u);
}

TEST_F(Bitmap, OfNothingIsEmpty) {
  const KdumpBitmap& bitmap = Make({}, 1000);
  EXPECT_EQ(bitmap.bits(), 0u);
  EXPECT_EQ(bitmap.count(), 0u);
  EXPECT_TRUE(Runs(bitmap).empty());
  EXPECT_EQ(bitmap.Test(0), false);
  EXPECT_EQ(bitmap.Rank(0), 0u);
}

TEST_F(Bitmap, RunsStopWhenAsked) {
  const KdumpBitmap& bitmap = Make({true, false, true, false, true}, 5);
  int calls = 0;
  EXPECT_TRUE(bitmap.ForEachRun([&](uint64_t, uint64_t) { return ++calls < 2; }));
  EXPECT_EQ(calls, 2);
}

TEST_F(Bitmap, AFileThatShrankIsAnError) {
  const KdumpBitmap& bitmap =
      Make(std::vector<bool>(4 * KdumpBitmap::kBlockBits, true), 4 * KdumpBitmap::kBlockBits);
  temp_->Resize(200);
  EXPECT_FALSE(bitmap.Test(3 * KdumpBitmap::kBlockBits));
  EXPECT_FALSE(bitmap.Rank(3 * KdumpBitmap::kBlockBits + 1));
}

TEST_F(Bitmap, TellsWhereARunEnds) {
  std::vector<bool> bits(3 * KdumpBitmap::kBlockBits + 100);
  for (size_t i = 10; i < 20; ++i) bits[i] = true;
  for (size_t i = KdumpBitmap::kBlockBits - 5; i < bits.size(); ++i) bits[i] = true;
  const KdumpBitmap& bitmap = Make(bits, bits.size());
  EXPECT_EQ(bitmap.RunEnd(0, bits.size()), 10u);
  EXPECT_EQ(bitmap.RunEnd(3, 7), 7u);
  EXPECT_EQ(bitmap.RunEnd(12, bits.size()), 20u);
  EXPECT_EQ(bitmap.RunEnd(20, bits.size()), KdumpBitmap::kBlockBits - 5);
  EXPECT_EQ(bitmap.RunEnd(KdumpBitmap::kBlockBits - 5, bits.size()), bits.size());
  EXPECT_EQ(bitmap.RunEnd(KdumpBitmap::kBlockBits, KdumpBitmap::kBlockBits + 9),
            KdumpBitmap::kBlockBits + 9);
}

}  // namespace
}  // namespace hmem::source
