// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/cpu_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hmem::plan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CpuList, IsNumbersAndRanges) {
  EXPECT_THAT(ParseCpuList("0").value(), ElementsAre(0));
  EXPECT_THAT(ParseCpuList("0-2,4,6-7").value(), ElementsAre(0, 1, 2, 4, 6, 7));
  EXPECT_THAT(ParseCpuList("").value(), IsEmpty());
}

TEST(CpuList, RefusesWhatTheKernelDoesNotWrite) {
  for (std::string_view text : {"x", "0,", "2,1", "1-0", "0-", "-1", "0-8192", "1,1", " 0"}) {
    auto cpus = ParseCpuList(text);
    ASSERT_FALSE(cpus) << text;
    EXPECT_EQ(cpus.error().code(), ErrorCode::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace hmem::plan
