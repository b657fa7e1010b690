// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/classify/page_class.h"

#include <gtest/gtest.h>

namespace hmem::capture {
namespace {

TEST(PageClass, EveryNumberHasItsOwnName) {
  for (int i = 0; i < kPageClasses; ++i) {
    auto page_class = static_cast<PageClass>(i);
    EXPECT_EQ(FindPageClass(PageClassName(page_class)), page_class);
  }
  EXPECT_EQ(FindPageClass("pages"), std::nullopt);
}

// They are in every dump that was written.
TEST(PageClass, NumbersStay) {
  EXPECT_EQ(PageClassName(PageClass{1}), "zero");
  EXPECT_EQ(PageClassName(PageClass{6}), "anonymous");
  EXPECT_EQ(PageClassName(PageClass{12}), "kernel");
}

}  // namespace
}  // namespace hmem::capture
