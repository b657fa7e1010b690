// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/core_header.h"

#include <gtest/gtest.h>

namespace hmem::init {
namespace {

TEST(CoreHeaderAddress, TakesNumbersAsTheKernelDoes) {
  for (auto [line, address] : {std::pair{"elfcorehdr=0x3f000000 ro", 0x3f000000ull},
                               {"a b\telfcorehdr=1032192K\n", 0x3f000000ull},
                               {"elfcorehdr=1008m", 0x3f000000ull},
                               {"elfcorehdr=4096@0x3f000000", 0x3f000000ull},
                               {"elfcorehdr=0x1000@1032192K", 0x3f000000ull},
                               {"elfcorehdr=0X10 elfcorehdr=017", 017ull},
                               {"elfcorehdr=16E", 0ull},
                               {"elfcorehdr=8E", 8ull << 60},
                               {"elfcorehdr=5 -- elfcorehdr=6", 5ull}}) {
    auto found = CoreHeaderAddress(line);
    if (address == 0) {
      EXPECT_FALSE(found) << line;
    } else {
      ASSERT_TRUE(found) << line << found.error().ToString();
      EXPECT_EQ(*found, address) << line;
    }
  }
}

TEST(CoreHeaderAddress, AWordThatIsMissingIsNotFound) {
  for (const char* line : {"", "ro quiet", "xelfcorehdr=1", "elfcorehdr", "-- elfcorehdr=1"}) {
    auto found = CoreHeaderAddress(line);
    ASSERT_FALSE(found) << line;
    EXPECT_EQ(found.error().code(), ErrorCode::kNotFound);
  }
}

TEST(CoreHeaderAddress, WhatIsNoAddressIsRefused) {
  for (const char* word : {"", "0", "x", "0x", "0xg", "12Q", "1K2", "1@", "1@x", "@1", "1@2@3",
                           "99999999999999999999", "-1", "0x10000000000000000"}) {
    auto found = CoreHeaderAddress(std::string("a elfcorehdr=") + word + " b");
    ASSERT_FALSE(found) << word;
    EXPECT_EQ(found.error().code(), ErrorCode::kInvalidArgument) << word;
    EXPECT_EQ(found.error().ToString(), std::string("elfcorehdr=") + word + ": not an address");
  }
}

}  // namespace
}  // namespace hmem::init
