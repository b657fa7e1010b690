// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/virt_reader.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_memory.h"

namespace hmem {
namespace {

using fakes::FakeVirtMemory;

TEST(VirtReader, ReadsIntegersInTheTargetsOrder) {
  FakeVirtMemory memory(Endian::kBig, 4);
  memory.PutU32(VirtAddr(0xc0000000), 0x11223344);
  EXPECT_EQ(memory.U8(VirtAddr(0xc0000000)), 0x11);
  EXPECT_EQ(memory.U16(VirtAddr(0xc0000000)), 0x1122);
  EXPECT_EQ(memory.U32(VirtAddr(0xc0000000)), 0x11223344u);
  EXPECT_EQ(memory.Word(VirtAddr(0xc0000000)), 0x11223344u);
  EXPECT_EQ(memory.Pointer(VirtAddr(0xc0000000)), VirtAddr(0x11223344));
  EXPECT_EQ(memory.U64(VirtAddr(0xc0000000)), 0x1122334400000000u);
}

TEST(VirtReader, WordsAreEightBytesOn64Bit) {
  FakeVirtMemory memory;
  memory.PutU64(VirtAddr(0xffff888000001000), 0xffffffff81000000);
  EXPECT_EQ(memory.Word(VirtAddr(0xffff888000001000)), 0xffffffff81000000u);
}

TEST(VirtReader, UnsignedTakesTheSizesOfIntegersOnly) {
  FakeVirtMemory memory;
  memory.PutU64(VirtAddr(0x1000), 0x8877665544332211);
  EXPECT_EQ(memory.Unsigned(VirtAddr(0x1000), 1), 0x11u);
  EXPECT_EQ(memory.Unsigned(VirtAddr(0x1000), 2), 0x2211u);
  EXPECT_EQ(memory.Unsigned(VirtAddr(0x1000), 4), 0x44332211u);
  EXPECT_EQ(memory.Unsigned(VirtAddr(0x1000), 8), 0x8877665544332211u);
  auto odd = memory.Unsigned(VirtAddr(0x1000), 3);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code(), ErrorCode::kInvalidArgument);
}

TEST(VirtReader, TextEndsAtNul) {
  FakeVirtMemory memory;
  memory.WriteText(VirtAddr(0x1ffe), std::string_view("across\0behind", 13));
  EXPECT_EQ(memory.Text(VirtAddr(0x1ffe), 100), "across");
}

TEST(VirtReader, TextIsCutAtItsLimit) {
  FakeVirtMemory memory;
  memory.WriteText(VirtAddr(0x1000), std::string(5000, 'x'));
  EXPECT_EQ(memory.Text(VirtAddr(0x1000), 300)->size(), 300u);
}

TEST(VirtReader, TextBeforeAMissingPageIsKept) {
  FakeVirtMemory memory;
  memory.WriteText(VirtAddr(0x1ff0), "0123456789abcdef");
  EXPECT_EQ(memory.Text(VirtAddr(0x1ff0), 100), "0123456789abcdef");
}

TEST(VirtReader, TextInAMissingPageIsTheError) {
  FakeVirtMemory memory;
  auto text = memory.Text(VirtAddr(0x1000), 100);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code(), ErrorCode::kNotMapped);
}

}  // namespace
}  // namespace hmem
