// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/address.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace hmem {
namespace {

static_assert(!std::is_convertible_v<uint64_t, PhysAddr>);
static_assert(!std::is_convertible_v<PhysAddr, VirtAddr>);

TEST(Address, DifferenceAndSumAreInverse) {
  EXPECT_EQ(PhysAddr(0x1000) + 0x234, PhysAddr(0x1234));
  EXPECT_EQ(PhysAddr(0x1234) - PhysAddr(0x1000), 0x234u);
  EXPECT_EQ(PhysAddr(0x1234) - 0x234, PhysAddr(0x1000));
}

TEST(Address, WrapsAsAddressesDo) { EXPECT_EQ(VirtAddr(~uint64_t{0}) + 1, VirtAddr(0)); }

TEST(Range, IsHalfOpen) {
  PhysRange range{PhysAddr(0x1000), PhysAddr(0x2000)};
  EXPECT_TRUE(range.contains(PhysAddr(0x1000)));
  EXPECT_TRUE(range.contains(PhysAddr(0x1fff)));
  EXPECT_FALSE(range.contains(PhysAddr(0x2000)));
  EXPECT_FALSE(range.contains(PhysAddr(0xfff)));
  EXPECT_EQ(range.size(), 0x1000u);
}

TEST(Range, BackwardsIsEmpty) {
  EXPECT_TRUE((PhysRange{PhysAddr(2), PhysAddr(1)}).empty());
  EXPECT_TRUE((PhysRange{PhysAddr(2), PhysAddr(2)}).empty());
  EXPECT_FALSE((PhysRange{PhysAddr(2), PhysAddr(3)}).empty());
}

TEST(Checked, SaysWhenSumOrProductDoesNotFit) {
  uint64_t out;
  EXPECT_TRUE(CheckedAdd(~uint64_t{0} - 1, 1, &out));
  EXPECT_EQ(out, ~uint64_t{0});
  EXPECT_FALSE(CheckedAdd(~uint64_t{0}, 1, &out));
  EXPECT_TRUE(CheckedMul(uint64_t{1} << 32, (uint64_t{1} << 32) - 1, &out));
  EXPECT_FALSE(CheckedMul(uint64_t{1} << 32, uint64_t{1} << 32, &out));
}

}  // namespace
}  // namespace hmem
