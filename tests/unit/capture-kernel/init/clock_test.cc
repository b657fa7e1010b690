// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/clock.h"

#include <gtest/gtest.h>

namespace hmem::init {
namespace {

TEST(Timeline, WritesSecondsWithMilliseconds) {
  Timeline timeline;
  timeline.Mark("userland", "capture kernel up", 1'234'567'890);
  timeline.Mark("record", "record durable", 10'005'000'000);
  EXPECT_EQ(timeline.Text(), "timeline: userland=1.234 record=10.005");
}

TEST(Timeline, GoesIntoTheRecordByNameAndNanosecond) {
  Timeline timeline;
  EXPECT_EQ(timeline.IdentityLines(), "");
  timeline.Mark("userland", "capture kernel up", 1'234'567'890);
  timeline.Mark("target", "target ready", 2'000'000'000);
  EXPECT_EQ(timeline.IdentityLines(),
            "timeline.capture kernel up=1234567890\ntimeline.target ready=2000000000\n");
}

}  // namespace
}  // namespace hmem::init
