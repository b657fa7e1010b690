// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/byte_reader.h"

#include <gtest/gtest.h>

#include "tests/makers/pattern.h"

namespace hmem {
namespace {

const std::vector<std::byte> kBytes =
    makers::Bytes("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10");

TEST(ByteReader, ReadsIntegersLittleEndian) {
  ByteReader reader(kBytes, Endian::kLittle, "test");
  EXPECT_EQ(reader.U8(), 0x01);
  EXPECT_EQ(reader.U16(), 0x0302);
  EXPECT_EQ(reader.U32(), 0x07060504u);
  EXPECT_EQ(reader.U64(), 0x0f0e0d0c0b0a0908u);
  EXPECT_EQ(reader.remaining(), 1u);
}

TEST(ByteReader, ReadsIntegersBigEndian) {
  ByteReader reader(kBytes, Endian::kBig, "test");
  EXPECT_EQ(reader.U16(), 0x0102);
  EXPECT_EQ(reader.U32(), 0x03040506u);
  EXPECT_EQ(reader.U64(), 0x0708090a0b0c0d0eu);
}

TEST(ByteReader, ReadsWordsOfBothWidths) {
  ByteReader reader(kBytes, Endian::kBig, "test");
  EXPECT_EQ(reader.Word(4), 0x01020304u);
  EXPECT_EQ(reader.Word(8), 0x05060708090a0b0cu);
}

TEST(ByteReader, NamesPlaceAndSizeOfAShortRead) {
  ByteReader reader(kBytes, Endian::kLittle, "table", 0x1000);
  ASSERT_TRUE(reader.Skip(12));
  auto value = reader.U64();
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kTruncated);
  EXPECT_EQ(value.error().ToString(), "table: offset 0x100c: 8 bytes wanted, 4 left");
}

TEST(ByteReader, StaysWhereItWasAfterAShortRead) {
  ByteReader reader(kBytes, Endian::kLittle, "test");
  ASSERT_TRUE(reader.Skip(14));
  EXPECT_FALSE(reader.U32());
  EXPECT_EQ(reader.offset(), 14u);
  EXPECT_EQ(reader.U16(), 0x100f);
}

TEST(ByteReader, RefusesHugeCountsWithoutOverflow) {
  ByteReader reader(kBytes, Endian::kLittle, "test");
  ASSERT_TRUE(reader.Skip(8));
  EXPECT_FALSE(reader.Bytes(~uint64_t{0}));
  EXPECT_FALSE(reader.Skip(~uint64_t{0} - 4));
  EXPECT_FALSE(reader.Seek(17));
  EXPECT_EQ(reader.offset(), 8u);
}

TEST(ByteReader, SeeksToTheEndButNotBehind) {
  ByteReader reader(kBytes, Endian::kLittle, "test");
  EXPECT_TRUE(reader.Seek(16));
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_FALSE(reader.U8());
}

TEST(ByteReader, FixedTextEndsAtNulOrAtTheField) {
  std::vector<std::byte> bytes = makers::Bytes(std::string_view("ab\0xabcd", 8));
  ByteReader reader(bytes, Endian::kLittle, "test");
  EXPECT_EQ(reader.FixedText(4), "ab");
  EXPECT_EQ(reader.FixedText(4), "abcd");
  EXPECT_FALSE(reader.FixedText(1));
}

}  // namespace
}  // namespace hmem
