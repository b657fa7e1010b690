// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/wanted.h"

#include <gtest/gtest.h>

namespace hmem::capture {
namespace {

TEST(Wanted, TakesTasksAndRanges) {
  EXPECT_EQ(Wanted::Parse("task:crashing")->kind, Wanted::Kind::kCrashing);
  EXPECT_EQ(Wanted::Parse("task:17")->pid, 17);
  EXPECT_EQ(Wanted::Parse("task:17")->kind, Wanted::Kind::kPid);
  EXPECT_EQ(Wanted::Parse("task:nginx")->comm, "nginx");
  EXPECT_EQ(Wanted::Parse("task:17th")->comm, "17th");
  auto range = Wanted::Parse("range:0x1000-8192");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->range, (PhysRange{PhysAddr(0x1000), PhysAddr(8192)}));
  EXPECT_FALSE(range->needs_kernel());
}

TEST(Wanted, RefusesAllElse) {
  for (const char* text : {"", "task:", "nginx", "range:", "range:1", "range:2-1", "range:1-1",
                           "range:x-2", "range:1-0x", "range:1-0x1z"}) {
    auto wanted = Wanted::Parse(text);
    ASSERT_FALSE(wanted) << text;
    EXPECT_EQ(wanted.error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace hmem::capture
