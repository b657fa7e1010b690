// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace hmem::capture {
namespace {

TEST(PageReader, IsZeroSeesTheLastByte) {
  std::vector<std::byte> page(4096);
  EXPECT_TRUE(IsZero(page));
  page.back() = std::byte{1};
  EXPECT_FALSE(IsZero(page));
}

}  // namespace
}  // namespace hmem::capture
