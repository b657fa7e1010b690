// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <random>

#include "dumptools/capture/writer/bitmap_cursor.h"
#include "dumptools/capture/writer/region_cursor.h"
#include "tests/fakes/fake_positioned_sink.h"
#include "tests/makers/pattern.h"

namespace hmem::capture {
namespace {

constexpr uint64_t kOffset = 4096;

bool Bit(const fakes::FakePositionedSink& sink, uint64_t bit) {
  uint64_t at = kOffset + bit / 8;
  return at < sink.bytes.size() &&
         (sink.bytes[at] >> static_cast<int>(bit % 8) & std::byte{1}) != std::byte{0};
}

TEST(BitmapCursor, SetsExactlyTheBitsOfTheRuns) {
  fakes::FakePositionedSink sink;
  BitmapCursor cursor(sink, kOffset);
  std::mt19937 random(7);
  std::vector<bool> wanted(3 << 20);
  uint64_t set = 0;
  for (uint64_t at = 0; at < wanted.size();) {
    const uint64_t first = at + random() % 5000;
    const uint64_t end =
        std::min<uint64_t>(first + random() % (random() % 4 == 0 ? 900000 : 70), wanted.size());
    if (first >= end) break;
    ASSERT_TRUE(cursor.Set(first, end));
    if (random() % 3 == 0) {
      ASSERT_TRUE(cursor.WriteOut());
    }
    std::fill(wanted.begin() + static_cast<ptrdiff_t>(first),
              wanted.begin() + static_cast<ptrdiff_t>(end), true);
    set += end - first;
    at = end;
  }
  ASSERT_TRUE(cursor.WriteOut());
  EXPECT_GT(set, 1u << 20);
  for (uint64_t bit = 0; bit < wanted.size(); ++bit) ASSERT_EQ(Bit(sink, bit), wanted[bit]) << bit;
}

TEST(BitmapCursor, WritesNothingBetweenBitsThatAreFarApart) {
  fakes::FakePositionedSink sink;
  sink.keeps_syncs = true;
  BitmapCursor cursor(sink, kOffset);
  ASSERT_TRUE(cursor.Set(3, 4));
  sink.capacity = kOffset + (uint64_t{1} << 20) + 1;
  ASSERT_TRUE(cursor.Set(uint64_t{8} << 20, (uint64_t{8} << 20) + 1));
  ASSERT_TRUE(cursor.WriteOut());
  EXPECT_TRUE(Bit(sink, 3));
  EXPECT_TRUE(Bit(sink, uint64_t{8} << 20));
  EXPECT_EQ(sink.bytes.size(), kOffset + (uint64_t{1} << 20) + 1);
}

TEST(BitmapCursor, AFailedWriteMayBeRepeated) {
  fakes::FakePositionedSink sink;
  sink.capacity = 10;
  BitmapCursor cursor(sink, kOffset);
  ASSERT_TRUE(cursor.Set(1, 20));
  EXPECT_FALSE(cursor.WriteOut());
  sink.capacity = fakes::FakePositionedSink::kNever;
  ASSERT_TRUE(cursor.WriteOut());
  EXPECT_TRUE(Bit(sink, 19));
  EXPECT_FALSE(Bit(sink, 20));
}

TEST(RegionCursor, PutsPieceBehindPiece) {
  fakes::FakePositionedSink sink;
  RegionCursor cursor(sink, kOffset, 100);
  std::vector<std::byte> wanted;
  for (uint64_t i = 0; i < 50; ++i) {
    std::vector<std::byte> piece = makers::Pattern(i, i % 24 + 1);
    ASSERT_TRUE(cursor.Append(piece));
    wanted.insert(wanted.end(), piece.begin(), piece.end());
    EXPECT_LE(cursor.room(), 100u);
  }
  ASSERT_TRUE(cursor.WriteOut());
  EXPECT_EQ(std::vector(sink.bytes.begin() + kOffset, sink.bytes.end()), wanted);
  EXPECT_EQ(cursor.room(), 100u);
}

TEST(RegionCursor, GivesTheSinkNothingWhileThereIsRoom) {
  fakes::FakePositionedSink sink;
  RegionCursor cursor(sink, kOffset, 100);
  while (cursor.room() >= 24) ASSERT_TRUE(cursor.Append(std::vector<std::byte>(24)));
  EXPECT_TRUE(sink.bytes.empty());
  ASSERT_TRUE(cursor.Append(std::vector<std::byte>(24)));
  EXPECT_EQ(sink.bytes.size(), kOffset + 96);
}

}  // namespace
}  // namespace hmem::capture
