// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/failure_line.h"

#include <gtest/gtest.h>

namespace hmem::firstfailure {
namespace {

using v1::Cause;

struct LineCase {
  std::string_view line;
  Cause::Kind kind;
  bool oops;
};

class KernelLine : public testing::TestWithParam<LineCase> {};

TEST_P(KernelLine, TellsItsKind) {
  auto said = ClassifyLine(GetParam().line);
  ASSERT_TRUE(said.has_value()) << GetParam().line;
  EXPECT_EQ(said->kind, GetParam().kind) << GetParam().line;
  EXPECT_EQ(said->oops, GetParam().oops) << GetParam().line;
}

INSTANTIATE_TEST_SUITE_P(
    FailureLine, KernelLine,
    testing::Values(
        LineCase{"BUG: unable to handle page fault for address: ffffffffdead1000",
                 Cause::KIND_BAD_POINTER, true},
        LineCase{"BUG: kernel NULL pointer dereference, address: 0000000000000010",
                 Cause::KIND_BAD_POINTER, true},
        LineCase{"BUG: unable to handle kernel paging request at ffff8800deadbeef",
                 Cause::KIND_BAD_POINTER, true},
        LineCase{
            "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
            Cause::KIND_BAD_POINTER, true},
        LineCase{"general protection fault, probably for non-canonical address 0xdead000000000100: "
                 "0000 [#1] SMP",
                 Cause::KIND_GENERAL_PROTECTION, true},
        LineCase{"Oops: general protection fault, maybe for address 0x0: 0000 [#1] PREEMPT SMP",
                 Cause::KIND_GENERAL_PROTECTION, true},
        LineCase{"divide error: 0000 [#1] PREEMPT SMP NOPTI", Cause::KIND_DIVIDE_ERROR, true},
        LineCase{"Oops: divide error: 0000 [#1] PREEMPT SMP NOPTI", Cause::KIND_DIVIDE_ERROR, true},
        LineCase{"kernel BUG at fs/inode.c:612!", Cause::KIND_BUG, true},
        LineCase{"invalid opcode: 0000 [#1] PREEMPT SMP NOPTI", Cause::KIND_INVALID_OPCODE, true},
        LineCase{"BUG: TASK stack guard page was hit at 00000000a1b2c3d4 (stack is 1..2)",
                 Cause::KIND_STACK_OVERFLOW, true},
        LineCase{"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [spin:312]",
                 Cause::KIND_SOFT_LOCKUP, false},
        LineCase{"NMI watchdog: Watchdog detected hard LOCKUP on cpu 3", Cause::KIND_HARD_LOCKUP,
                 false},
        LineCase{"INFO: task jbd2/vda-8:120 blocked for more than 122 seconds.",
                 Cause::KIND_HUNG_TASK, false},
        LineCase{"rcu: INFO: rcu_preempt self-detected stall on CPU", Cause::KIND_RCU_STALL, false},
        LineCase{"rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", Cause::KIND_RCU_STALL,
                 false},
        LineCase{"stress invoked oom-killer: gfp_mask=0x140cca, order=0, oom_score_adj=0",
                 Cause::KIND_OUT_OF_MEMORY, false},
        LineCase{
            "mce: [Hardware Error]: CPU 1: Machine Check Exception: 5 Bank 0: b200000000070f0f",
            Cause::KIND_MACHINE_CHECK, false},
        LineCase{"WARNING: CPU: 0 PID: 1 at kernel/fork.c:12 copy_process+0x1/0x2",
                 Cause::KIND_WARNING, false},
        LineCase{"BUG: KASAN: slab-use-after-free in ext4_find_entry+0x1/0x2", Cause::KIND_WARNING,
                 false},
        LineCase{"Kernel panic - not syncing: sysrq triggered crash", Cause::KIND_SYSRQ, false},
        LineCase{"Kernel panic - not syncing: hung_task: blocked tasks", Cause::KIND_HUNG_TASK,
                 false},
        LineCase{"Kernel panic - not syncing: softlockup: hung tasks", Cause::KIND_SOFT_LOCKUP,
                 false},
        LineCase{"Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009",
                 Cause::KIND_INIT_DIED, false},
        LineCase{"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
                 Cause::KIND_PANIC, false}));

TEST(FailureLine, OrdinaryLinesAreNone) {
  for (std::string_view line :
       {"EXT4-fs (vda): mounted filesystem", "systemd[1]: Started BUG: tracker.", "",
        "Call Trace:", "audit: WARNING something",
        "---[ end Kernel panic - not syncing: sysrq triggered crash ]---"}) {
    EXPECT_FALSE(ClassifyLine(line).has_value()) << line;
  }
}

TEST(FailureLine, OnlyTheFirstLineOfARecordCounts) {
  EXPECT_FALSE(
      ClassifyLine("harmless\nBUG: kernel NULL pointer dereference, address: 0").has_value());
  EXPECT_EQ(PanicText("Kernel panic - not syncing: first\nsecond"), "first");
}

TEST(FailureLine, FindsTheFaultAddress) {
  EXPECT_EQ(FaultAddress("BUG: unable to handle page fault for address: ffffffffdead1000"),
            0xffffffffdead1000);
  EXPECT_EQ(FaultAddress("BUG: kernel NULL pointer dereference, address: 0000000000000000"), 0u);
  EXPECT_EQ(FaultAddress("general protection fault, probably for non-canonical address "
                         "0xdead000000000100: 0000 [#1]"),
            0xdead000000000100);
  EXPECT_EQ(FaultAddress("CR2: 0000000000000010 CR3: 000000000a1d4005 CR4: 0000000000771ef0"),
            0x10u);
  EXPECT_EQ(FaultAddress("BUG: unable to handle page fault for address: zzz"), std::nullopt);
}

TEST(FailureLine, FindsTheLockedUpCpuAndTheHungTask) {
  EXPECT_EQ(LockupCpu("watchdog: BUG: soft lockup - CPU#17 stuck for 22s! [spin:312]"), 17u);
  EXPECT_EQ(LockupCpu("watchdog: Watchdog detected hard LOCKUP on cpu 3"), 3u);
  EXPECT_EQ(LockupCpu("nothing of the kind"), std::nullopt);
}

TEST(FailureLine, ReadsTheTaskOfAHungTaskLine) {
  auto task = HungTask("INFO: task kworker/u4:1:88 blocked for more than 120 seconds.");
  ASSERT_TRUE(task);
  EXPECT_EQ(task->comm, "kworker/u4:1");
  EXPECT_EQ(task->pid, 88);
  EXPECT_FALSE(HungTask("INFO: task nameless blocked for more than 120 seconds."));
}

TEST(FailureLine, ReadsTheCpusOfAStall) {
  using Cpus = std::vector<uint32_t>;
  EXPECT_EQ(StalledCpus("rcu: \t3-....: (1 GPs behind) idle=1b4/1/0x4000000000000000"), Cpus{3});
  EXPECT_EQ(StalledCpus("\t12-...0: (21 ticks this GP) idle=002/1/0x4000000000000000"), Cpus{12});
  EXPECT_EQ(StalledCpus("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... "
                        "3-...D } 21 jiffies s: 97 root: 0xa/."),
            (Cpus{1, 3}));
  EXPECT_EQ(StalledCpus("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"), Cpus{});
  EXPECT_EQ(StalledCpus("rcu: \t(detected by 0, t=5252 jiffies, g=97, q=23)"), Cpus{});
  EXPECT_EQ(StalledCpus("3-way handshake"), Cpus{});
}

TEST(FailureLine, WhatUserlandWroteHasNoKernelText) {
  walk::LogRecord record;
  record.text = "Kernel panic - not syncing: forged";
  EXPECT_EQ(KernelText(record), record.text);
  record.facility = 1;
  EXPECT_EQ(KernelText(record), "");
}

TEST(FailureLine, ReadsTheLocationOfARipLine) {
  auto location = LocationInLine("RIP: 0010:facet_read+0x1b/0x40 [granite 0123abcd]");
  ASSERT_TRUE(location.has_value());
  EXPECT_EQ(location->symbol, "facet_read");
  EXPECT_EQ(location->module, "granite");
  EXPECT_EQ(location->offset, 0x1bu);
  EXPECT_EQ(location->size, 0x40u);
  EXPECT_FALSE(LocationInLine("RIP: 0033:0x47b7a0").has_value());
  EXPECT_FALSE(LocationInLine("RIP: 0010:0x0").has_value());
  auto arm = LocationInLine("pc : dma_map+0x10/0x20");
  ASSERT_TRUE(arm.has_value());
  EXPECT_EQ(arm->symbol, "dma_map");
  EXPECT_EQ(arm->module, "");
}

TEST(FailureLine, RegistersAndFramesAreTrace) {
  for (std::string_view line :
       {" <TASK>", " vfs_write+0xf8/0x450", "RAX: ffffffffffffffda RBX: 0000000000000001",
        "Call Trace:", "Modules linked in: granite(OE)", "x29: ffff80001234abcd x28: 0000",
        "Hardware name: QEMU", "CR2: 0000000000000010"}) {
    EXPECT_TRUE(IsTraceLine(line)) << line;
  }
  for (std::string_view line : {"usb 1-1: new device", "", "random: crng init done"}) {
    EXPECT_FALSE(IsTraceLine(line)) << line;
  }
}

}  // namespace
}  // namespace hmem::firstfailure
