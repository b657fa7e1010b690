// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/first_block.h"

#include <gtest/gtest.h>

#include "tests/unit/dumptools/firstfailure/kernel_words.h"

namespace hmem::firstfailure {
namespace {

TEST(FirstBlock, AQuietLogHasNone) {
  EXPECT_FALSE(
      FindFirstBlock(LogOf({"Linux version 6.1.0", "Run /init as init process"})).has_value());
  EXPECT_FALSE(FindFirstBlock({}).has_value());
}

TEST(FirstBlock, RunsFromCutHereToEndTrace) {
  auto log = LogOf({"booted", "------------[ cut here ]------------", "a message of WARN()",
                    "WARNING: CPU: 0 PID: 7 at mm/slab.c:3 f+0x1/0x2", "Call Trace:", " f+0x1/0x2",
                    "---[ end trace 0000000000000000 ]---", "later", "sysrq: Trigger a crash",
                    "Kernel panic - not syncing: sysrq triggered crash"});
  auto block = FindFirstBlock(log);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->begin, 1u);
  EXPECT_EQ(block->end, 7u);
  EXPECT_EQ(block->kind, "warning");
}

TEST(FirstBlock, AnOopsThatNeverEndedReachesTheLogsEnd) {
  auto log =
      LogOf({"booted", "BUG: unable to handle page fault for address: ffffffffdead1000",
             "#PF: supervisor read access in kernel mode", "PGD 20a067 P4D 20a067 PUD 0",
             "Oops: 0000 [#1] PREEMPT SMP NOPTI", "CPU: 1 PID: 7 Comm: t Tainted: G",
             "RIP: 0010:f+0x1/0x2 [granite]", "Call Trace:", " <TASK>", " g+0x1/0x2 [granite]"});
  auto block = FindFirstBlock(log);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->begin, 1u);
  EXPECT_EQ(block->end, log.size());
  EXPECT_EQ(block->kind, "bad pointer");
}

TEST(FirstBlock, APanicOfItsOwnReasonIsNotPartOfAnEarlierReport) {
  auto log =
      LogOf({"INFO: task t:7 blocked for more than 120 seconds.", "      Not tainted 6.1.0 #1",
             "task:t state:D stack:0 pid:7", "Call Trace:", " schedule+0x1/0x2",
             "sysrq: Trigger a crash", "Kernel panic - not syncing: sysrq triggered crash"});
  auto block = FindFirstBlock(log);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->kind, "hung task");
  EXPECT_EQ(block->end, 5u);
}

TEST(FirstBlock, APanicThatFollowsFromTheReportIsPartOfIt) {
  auto log = LogOf({"INFO: task t:7 blocked for more than 120 seconds.", "Call Trace:",
                    " schedule+0x1/0x2", "Kernel panic - not syncing: hung_task: blocked tasks",
                    "CPU: 0 PID: 30 Comm: khungtaskd", "Call Trace:", " panic+0x1/0x2"});
  auto block = FindFirstBlock(log);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->end, log.size());
}

TEST(FirstBlock, AnotherKindOfFailureIsAReportOfItsOwn) {
  auto log =
      LogOf({"rcu: INFO: rcu_preempt self-detected stall on CPU", " \t1-...: (5249 ticks this GP)",
             "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [t:7]", "CPU: 1 PID: 7 Comm: t"});
  auto block = FindFirstBlock(log);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->kind, "rcu stall");
  EXPECT_EQ(block->end, 2u);
}

TEST(FirstBlock, AnOutOfMemoryReportEndsWithItsVictim) {
  auto log =
      LogOf({"t invoked oom-killer: gfp_mask=0x140cca", "CPU: 0 PID: 7 Comm: t",
             "Call Trace:", "Mem-Info:", "active_anon:1 inactive_anon:2", "Node 0 active_anon:4kB",
             "0 pages in swap cache",
             "Tasks state (memory values in pages):", "[     7]     0     7  1000",
             "oom-kill:constraint=NONE", "Out of memory: Killed process 7 (t)", "unrelated"});
  auto block = FindFirstBlock(log);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->kind, "out of memory");
  EXPECT_EQ(block->end, 11u);
}

TEST(FirstBlock, IsNeverLongerThanItsBound) {
  std::vector<std::string> lines = {"------------[ cut here ]------------"};
  lines.resize(5000, " frame+0x1/0x2");
  auto block = FindFirstBlock(LogOf(lines));
  ASSERT_TRUE(block.has_value());
  EXPECT_LE(block->end - block->begin, 256u);
}

TEST(FirstBlock, WhatUserlandWroteIsNoFailure) {
  auto log = LogOf({"BUG: kernel NULL pointer dereference, address: 0000000000000000",
                    "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2"});
  log[0].facility = 1;
  auto block = FindFirstBlock(log);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->begin, 1u);
  EXPECT_EQ(block->kind, "warning");
}

}  // namespace
}  // namespace hmem::firstfailure
