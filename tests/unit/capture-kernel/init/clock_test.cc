// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/clock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "capture-kernel/init/console.h"
#include "hmem/base/fd.h"

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

TEST(Console, PutsEveryTextOnALineOfItsOwnAndKeepsIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  Console console(writer.get());
  console.Say("capture kernel up");
  char buffer[64] = {};
  ASSERT_GT(::read(reader.get(), buffer, sizeof buffer - 1), 0);
  EXPECT_STREQ(buffer, "\nhmem: capture kernel up\n");
  EXPECT_EQ(console.log(), "capture kernel up\n");
}

TEST(Console, KeepsABoundedLog) {
  Console console(-1);
  for (int i = 0; i < 100; ++i) console.Say(std::string(4096, 'x'));
  EXPECT_LE(console.log().size(), Console::kMaxLogBytes);
}

}  // namespace
}  // namespace hmem::init
