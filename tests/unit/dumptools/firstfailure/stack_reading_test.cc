// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/stack_reading.h"

#include <gtest/gtest.h>

#include "tests/unit/dumptools/firstfailure/kernel_words.h"

namespace hmem::firstfailure {
namespace {

TEST(StackReading, CompilerSuffixesDoNotHideAName) {
  EXPECT_EQ(WithoutCompilerSuffix("__bad_area_nosemaphore.constprop.0"), "__bad_area_nosemaphore");
  EXPECT_EQ(WithoutCompilerSuffix("panic.cold"), "panic");
  EXPECT_EQ(WithoutCompilerSuffix(".L1"), ".L1");
  EXPECT_EQ(WithoutCompilerSuffix(""), "");
  EXPECT_EQ(FirstLivingFrame(StackOf({"panic.cold", "f"})), 1u);
}

TEST(StackReading, AnInterruptedFrameLivesWhateverItsName) {
  EXPECT_EQ(FirstLivingFrame(StackOf({"oops_end", "asm_exc_page_fault", "panic !", "f"})), 2u);
}

TEST(StackReading, ADeadStackHasNoLivingFrame) {
  EXPECT_EQ(FirstLivingFrame(StackOf({"panic", "oops_end"})), std::nullopt);
  EXPECT_EQ(FirstLivingFrame(StackOf({})), std::nullopt);
  EXPECT_EQ(FirstLivingFrame(StackOf({"-", "-"})), std::nullopt);
}

TEST(StackReading, GuessedFramesProveNothing) {
  v1::Stack stack = StackOf({"panic", "stale", "real"});
  stack.mutable_frames(1)->set_guessed(true);
  EXPECT_EQ(FirstLivingFrame(stack), 2u);
}

TEST(StackReading, ATimerThatRunsInSoftInterruptIsNoHardInterrupt) {
  EXPECT_EQ(ContextOf(StackOf({"tick [granite]", "__hrtimer_run_queues", "hrtimer_run_softirq",
                               "__do_softirq", "run_ksoftirqd", "kthread"}),
                      0),
            "soft interrupt");
}

TEST(StackReading, AStackThatEndsInUserSpaceIsATasks) {
  v1::Stack stack = StackOf({"f", "g"});
  EXPECT_EQ(ContextOf(stack, 0), "");
  stack.set_ends_in_user(true);
  EXPECT_EQ(ContextOf(stack, 0), "task");
}

TEST(StackReading, SkipsSchedulerAndLocksOfAWaitingTask) {
  EXPECT_EQ(FirstWaitingFrame(StackOf(
                {"__schedule", "schedule", "rwsem_down_write_slowpath", "down_write", "f"})),
            4u);
}

}  // namespace
}  // namespace hmem::firstfailure
