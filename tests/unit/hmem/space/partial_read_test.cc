// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/partial_read.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_memory.h"

namespace hmem::space {
namespace {

constexpr VirtAddr kStart{0xffffffff82000800};  // not at the start of a page

class ReadWithHolesTest : public ::testing::Test {
 protected:
  ReadWithHolesTest() {
    for (uint64_t i = 0; i < 0x5000; ++i) memory_.PutU8(kStart + i, 0x5a);
  }
  // Pages count from the one that kStart is in.
  void Lose(uint64_t first_page, uint64_t pages, ErrorCode code) {
    VirtAddr at((kStart.value & ~uint64_t{0xfff}) + first_page * 0x1000);
    memory_.Fail({at, at + pages * 0x1000}, code);
  }
  fakes::FakeVirtMemory memory_;
};

TEST_F(ReadWithHolesTest, HasNoHolesWhereAllIsThere) {
  PartialRead read = ReadWithHoles(memory_, kStart, 0x5000);
  EXPECT_TRUE(read.holes.empty());
  EXPECT_FALSE(read.error);
  EXPECT_EQ(std::vector(read.bytes.begin(), read.bytes.end()),
            std::vector<std::byte>(0x5000, std::byte{0x5a}));
  EXPECT_TRUE(read.Covers(0, 0x5000));
  EXPECT_FALSE(read.Covers(1, 0x5000));
  EXPECT_FALSE(read.Covers(0x5001, 0));
  EXPECT_EQ(read.ReadableTo(0x10), 0x5000u);
}

TEST_F(ReadWithHolesTest, TakesWhatTheMemoryLends) {
  class Lender final : public fakes::FakeVirtMemory {
   public:
    std::optional<std::span<const std::byte>> Borrow(VirtAddr, uint64_t bytes) const override {
      return std::span(lent).first(bytes);
    }
    std::vector<std::byte> lent = std::vector<std::byte>(0x5000, std::byte{0x77});
  };
  Lender lender;
  PartialRead read = ReadWithHoles(lender, kStart, 0x4000);
  EXPECT_EQ(read.bytes.data(), lender.lent.data());
  EXPECT_EQ(read.bytes.size(), 0x4000u);
  EXPECT_EQ(read.owned, nullptr);
  EXPECT_TRUE(read.Covers(0, 0x4000));
}

TEST_F(ReadWithHolesTest, OutlivesBeingMoved) {
  PartialRead read = ReadWithHoles(memory_, kStart, 0x5000);
  PartialRead moved = std::move(read);
  EXPECT_EQ(moved.bytes[0x4fff], std::byte{0x5a});
}

TEST_F(ReadWithHolesTest, KeepsWhatLiesBehindAHole) {
  Lose(1, 2, ErrorCode::kExcluded);
  PartialRead read = ReadWithHoles(memory_, kStart, 0x5000);
  ASSERT_EQ(read.holes.size(), 1u);
  EXPECT_EQ(read.holes[0].start, 0x800u);
  EXPECT_EQ(read.holes[0].end, 0x2800u);
  EXPECT_EQ(read.bytes[0x7ff], std::byte{0x5a});
  EXPECT_EQ(read.bytes[0x800], std::byte{0});
  EXPECT_EQ(read.bytes[0x2800], std::byte{0x5a});
  EXPECT_TRUE(read.Covers(0, 0x800));
  EXPECT_FALSE(read.Covers(0, 0x801));
  EXPECT_FALSE(read.Covers(0x27ff, 1));
  EXPECT_TRUE(read.Covers(0x2800, 0x2800));
  EXPECT_EQ(read.ReadableTo(0x900), 0x900u);
}

TEST_F(ReadWithHolesTest, TellsWhyTheFirstHoleIsOne) {
  Lose(1, 1, ErrorCode::kTruncated);
  Lose(3, 1, ErrorCode::kIo);
  PartialRead read = ReadWithHoles(memory_, kStart, 0x5000);
  EXPECT_EQ(read.holes.size(), 2u);
  ASSERT_TRUE(read.error);
  EXPECT_EQ(read.error->code(), ErrorCode::kTruncated);
}

}  // namespace
}  // namespace hmem::space
