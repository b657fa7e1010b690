// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/endian.h"

#include <gtest/gtest.h>

#include <array>

namespace hmem {
namespace {

TEST(Endian, StoresTheBytesItNames) {
  std::array<std::byte, 4> bytes;
  Store<uint32_t>(bytes.data(), 0x11223344, Endian::kBig);
  EXPECT_EQ(bytes,
            (std::array{std::byte{0x11}, std::byte{0x22}, std::byte{0x33}, std::byte{0x44}}));
  Store<uint32_t>(bytes.data(), 0x11223344, Endian::kLittle);
  EXPECT_EQ(bytes,
            (std::array{std::byte{0x44}, std::byte{0x33}, std::byte{0x22}, std::byte{0x11}}));
}

TEST(Endian, LoadsBackWhatItStored) {
  std::array<std::byte, 9> bytes{};
  for (Endian endian : {Endian::kLittle, Endian::kBig}) {
    Store<uint64_t>(&bytes[1], 0x0123456789abcdef, endian);  // unaligned
    EXPECT_EQ(Load<uint64_t>(&bytes[1], endian), 0x0123456789abcdefu);
    Store<uint16_t>(&bytes[1], 0xfedc, endian);
    EXPECT_EQ(Load<uint16_t>(&bytes[1], endian), 0xfedc);
    Store<uint8_t>(&bytes[1], 0x7f, endian);
    EXPECT_EQ(Load<uint8_t>(&bytes[1], endian), 0x7f);
  }
}

}  // namespace
}  // namespace hmem
