// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace hmem::capture {
namespace {

TEST(PageReader, IsZeroSeesEveryByte) {
  for (size_t bytes : {4u, 8u, 64u, 4096u}) {
    std::vector<std::byte> page(bytes);
    EXPECT_TRUE(IsZero(page));
    for (std::byte& byte : page) {
      byte = std::byte{0x80};
      EXPECT_FALSE(IsZero(page));
      byte = std::byte{0};
    }
    // Words that are equal, and not zero.
    std::ranges::fill(page, std::byte{1});
    EXPECT_FALSE(IsZero(page));
  }
}

}  // namespace
}  // namespace hmem::capture
