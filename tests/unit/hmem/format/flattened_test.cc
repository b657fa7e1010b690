// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/flattened.h"

#include <gtest/gtest.h>

#include "hmem/base/endian.h"

namespace hmem::format {
namespace {

std::span<const std::byte, kFlattenedRecordBytes> View(
    const std::array<std::byte, kFlattenedRecordBytes>& bytes) {
  return bytes;
}

TEST(Flattened, HeaderAndRecordsComeBack) {
  EXPECT_TRUE(CheckFlattenedHeader(BuildFlattenedHeader()));
  EXPECT_EQ(BuildFlattenedHeader().size(), kFlattenedHeaderBytes);
  for (FlattenedRecord record : {FlattenedRecord{0, 0}, FlattenedRecord{4096, 1 << 20},
                                 FlattenedRecord{(uint64_t{1} << 63) - 10, 9}, kFlattenedEnd}) {
    EXPECT_EQ(*ParseFlattenedRecord(View(BuildFlattenedRecord(record))), record);
  }
}

TEST(Flattened, NumbersAreBigEndian) {
  auto bytes = BuildFlattenedRecord({.offset = 1, .bytes = 2});
  EXPECT_EQ(bytes[7], std::byte{1});
  EXPECT_EQ(bytes[15], std::byte{2});
  EXPECT_EQ(BuildFlattenedHeader()[23], std::byte{1});
}

TEST(Flattened, RefusesWhatIsNone) {
  std::vector<std::byte> head = BuildFlattenedHeader();
  EXPECT_EQ(CheckFlattenedHeader(std::span(head).first(100)).error().code(), ErrorCode::kTruncated);
  EXPECT_EQ(CheckFlattenedHeader(std::span(head).first(8)).error().code(), ErrorCode::kCorrupt);
  for (size_t at : {16, 24}) {
    std::vector<std::byte> other = head;
    Store<uint64_t>(&other[at], 2, Endian::kBig);
    EXPECT_EQ(CheckFlattenedHeader(other).error().code(), ErrorCode::kUnsupported);
  }
  head[0] = std::byte{'M'};
  EXPECT_EQ(CheckFlattenedHeader(head).error().code(), ErrorCode::kCorrupt);
}

TEST(Flattened, RefusesRecordsThatNoFileHas) {
  for (FlattenedRecord record :
       {FlattenedRecord{~uint64_t{0}, 1}, FlattenedRecord{0, ~uint64_t{0}},
        FlattenedRecord{uint64_t{1} << 63, 1}, FlattenedRecord{1, (uint64_t{1} << 63) - 1},
        FlattenedRecord{~uint64_t{0} - 1, ~uint64_t{0}}}) {
    auto parsed = ParseFlattenedRecord(View(BuildFlattenedRecord(record)));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace hmem::format
