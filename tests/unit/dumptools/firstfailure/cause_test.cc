// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/cause.h"

#include <gtest/gtest.h>

#include "tests/unit/dumptools/firstfailure/kernel_words.h"

namespace hmem::firstfailure {
namespace {

using v1::Cause;

const std::vector<std::string> kOopsLog = {
    "BUG: unable to handle page fault for address: ffffffffdead1000",
    "#PF: supervisor read access in kernel mode",
    "Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "CPU: 1 PID: 312 Comm: t",
    "RIP: 0010:facet+0x1b/0x40 [granite]",
    "CR2: ffffffffdead1000",
    "Call Trace:",
    " <TASK>"};

TEST(Cause, OopsWithoutPanicLineIsFoundByTheLogsLastOops) {
  auto found =
      FindCause(LogOf(kOopsLog), RecordOf({"facet [granite]", "seam [granite]", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_BAD_POINTER);
  EXPECT_EQ(found.cause.location().symbol(), "facet");
  EXPECT_EQ(found.cause.location().module(), "granite");
  EXPECT_TRUE(found.cause.fault_address_known());
  EXPECT_EQ(found.cause.fault_address(), 0xffffffffdead1000);
  EXPECT_EQ(found.cause.context(), "task");
  EXPECT_EQ(found.cause.panic_message(), "");
  EXPECT_EQ(found.machinery_frames, 0u);
  EXPECT_EQ(found.failure_record, 0u);
}

TEST(Cause, FatalExceptionPointsBackToTheOops) {
  auto lines = kOopsLog;
  lines.push_back("---[ end trace 0000000000000000 ]---");
  lines.push_back("Kernel panic - not syncing: Fatal exception");
  auto found = FindCause(
      LogOf(lines),
      RecordOf({"__crash_kexec", "panic", "oops_end", "page_fault_oops", "exc_page_fault",
                "asm_exc_page_fault", "facet [granite] !", "seam [granite]", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_BAD_POINTER);
  EXPECT_EQ(found.cause.panic_message(), "Fatal exception");
  EXPECT_EQ(found.cause.location().symbol(), "facet");
  EXPECT_EQ(found.machinery_frames, 6u);
}

TEST(Cause, AnOldOopsIsNotBlamedForASysrqCrash) {
  auto lines = kOopsLog;
  lines.insert(lines.end(), {"---[ end trace 0000000000000000 ]---", "sysrq: Trigger a crash",
                             "Kernel panic - not syncing: sysrq triggered crash", "Call Trace:"});
  auto found = FindCause(LogOf(lines),
                         RecordOf({"machine_kexec", "__crash_kexec", "panic", "sysrq_handle_crash",
                                   "__handle_sysrq.cold", "write_sysrq_trigger", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_SYSRQ);
  EXPECT_EQ(found.cause.location().symbol(), "sysrq_handle_crash");
  EXPECT_EQ(found.cause.oops_message(), "");
  EXPECT_FALSE(found.cause.fault_address_known());
  EXPECT_EQ(found.machinery_frames, 3u);
}

TEST(Cause, BugInAnInterruptIsLocatedAndItsContextTold) {
  auto log = LogOf({"------------[ cut here ]------------", "kernel BUG at drivers/x/granite.c:88!",
                    "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI", "CPU: 0 PID: 99 Comm: t"});
  auto found = FindCause(
      log, RecordOf({"fracture [granite]", "__flush_smp_call_function_queue",
                     "__sysvec_call_function_single", "sysvec_call_function_single",
                     "asm_sysvec_call_function_single", "spin [granite] !", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_BUG);
  EXPECT_EQ(found.cause.oops_message(), "kernel BUG at drivers/x/granite.c:88!");
  EXPECT_EQ(found.cause.location().symbol(), "fracture");
  EXPECT_EQ(found.cause.context(), "hard interrupt");
}

TEST(Cause, SoftInterruptWinsOverTheInterruptItEnds) {
  auto found = FindCause(
      LogOf(kOopsLog), RecordOf({"rx [granite]", "net_rx_action", "__do_softirq", "__irq_exit_rcu",
                                 "sysvec_apic_timer_interrupt", "asm_sysvec_apic_timer_interrupt",
                                 "default_idle !", "do_idle"}));
  EXPECT_EQ(found.cause.context(), "soft interrupt");
}

TEST(Cause, NmiContextIsTold) {
  auto found =
      FindCause(LogOf(kOopsLog), RecordOf({"handler [granite]", "nmi_handle", "default_do_nmi",
                                           "exc_nmi", "asm_exc_nmi", "default_idle !", "do_idle"}));
  EXPECT_EQ(found.cause.context(), "nmi");
}

TEST(Cause, ASoftLockupIsLocatedInWhatWasInterrupted) {
  auto log = LogOf({"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [t:7]",
                    "CPU: 1 PID: 7 Comm: t", "Kernel panic - not syncing: softlockup: hung tasks"});
  auto found = FindCause(
      log, RecordOf({"__crash_kexec", "panic", "watchdog_timer_fn", "__hrtimer_run_queues",
                     "hrtimer_interrupt", "sysvec_apic_timer_interrupt",
                     "asm_sysvec_apic_timer_interrupt", "spin [granite] !", "kthread"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_SOFT_LOCKUP);
  EXPECT_EQ(found.cause.location().symbol(), "spin");
  EXPECT_EQ(found.cause.context(), "task");
  EXPECT_EQ(found.cause.oops_message(), "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [t:7]");
  EXPECT_EQ(found.machinery_frames, 7u);
}

TEST(Cause, AHardLockupIsLocatedOnTheCpuTheLogNames) {
  auto record =
      RecordOf({"__crash_kexec", "panic", "watchdog_buddy_check_hardlockup", "watchdog_timer_fn"});
  v1::Cpu& stuck = *record.add_cpus();
  stuck.set_number(3);
  *stuck.mutable_stack() = StackOf({"queued_spin_lock_slowpath", "spin [granite]", "kthread"});
  auto found = FindCause(LogOf({"watchdog: Watchdog detected hard LOCKUP on cpu 3",
                                "Kernel panic - not syncing: Hard LOCKUP"}),
                         record);
  EXPECT_EQ(found.cause.kind(), Cause::KIND_HARD_LOCKUP);
  EXPECT_EQ(found.cause.location().symbol(), "queued_spin_lock_slowpath");
  EXPECT_EQ(found.cause.location_cpu(), 3u);
  EXPECT_EQ(found.cause.location_stack(), Cause::LOCATION_STACK_CPU);
  EXPECT_EQ(found.machinery_frames, 0u);
}

TEST(Cause, ALockedUpCpuWithoutAStackIsNotReplacedByTheOneThatFoundIt) {
  auto found = FindCause(LogOf({"watchdog: Watchdog detected hard LOCKUP on cpu 3",
                                "Kernel panic - not syncing: Hard LOCKUP"}),
                         RecordOf({"__crash_kexec", "panic", "watchdog_timer_fn"}));
  EXPECT_FALSE(found.cause.has_location());
  EXPECT_EQ(found.cause.location_cpu(), 3u);
}

TEST(Cause, AnRcuStallIsLocatedOnTheStalledCpu) {
  auto record = RecordOf({"__crash_kexec", "panic", "panic_on_rcu_stall", "rcu_sched_clock_irq"});
  v1::Cpu& stalled = *record.add_cpus();
  stalled.set_number(3);
  stalled.mutable_current()->set_pid(44);
  *stalled.mutable_stack() = StackOf({"spin [granite]", "kthread"});
  auto found = FindCause(LogOf({"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                                "rcu: \t3-....: (1 GPs behind) idle=1b4/1/0x4000000000000000",
                                "rcu: \t(detected by 1, t=5252 jiffies, g=97, q=23)",
                                "Kernel panic - not syncing: RCU Stall"}),
                         record);
  EXPECT_EQ(found.cause.kind(), Cause::KIND_RCU_STALL);
  EXPECT_EQ(found.cause.location().symbol(), "spin");
  EXPECT_EQ(found.cause.location_cpu(), 3u);
  EXPECT_EQ(found.cause.location_task().pid(), 44);
}

TEST(Cause, ACpuThatFindsItselfStalledIsLocatedInWhatWasInterrupted) {
  auto found = FindCause(
      LogOf({"rcu: INFO: rcu_preempt self-detected stall on CPU",
             "rcu: \t1-....: (5250 ticks this GP)", "Kernel panic - not syncing: RCU Stall"}),
      RecordOf({"panic", "rcu_sched_clock_irq", "asm_sysvec_apic_timer_interrupt",
                "spin [granite] !", "kthread"}));
  EXPECT_EQ(found.cause.location().symbol(), "spin");
  EXPECT_EQ(found.cause.location_frame(), 3u);
}

TEST(Cause, AHungTaskIsLocatedWhereItWaits) {
  auto record = RecordOf({"__crash_kexec", "panic", "watchdog", "kthread"});
  v1::BlockedTask& blocked = *record.add_blocked_tasks();
  blocked.mutable_task()->set_pid(77);
  *blocked.mutable_stack() =
      StackOf({"__schedule", "schedule", "__mutex_lock.constprop.0", "hold [granite]"});
  auto found = FindCause(LogOf({"INFO: task t:77 blocked for more than 120 seconds.",
                                "Kernel panic - not syncing: hung_task: blocked tasks"}),
                         record);
  EXPECT_EQ(found.cause.kind(), Cause::KIND_HUNG_TASK);
  EXPECT_EQ(found.cause.location().symbol(), "hold");
  EXPECT_EQ(found.cause.location_stack(), Cause::LOCATION_STACK_BLOCKED_TASK);
  EXPECT_EQ(found.cause.location_frame(), 3u);
  EXPECT_EQ(found.cause.location_task().pid(), 77);
}

TEST(Cause, AHungTaskThatIsNotKnownIsNotReplacedByKhungtaskd) {
  auto found = FindCause(LogOf({"INFO: task t:77 blocked for more than 120 seconds.",
                                "Kernel panic - not syncing: hung_task: blocked tasks"}),
                         RecordOf({"__crash_kexec", "panic", "watchdog", "kthread"}));
  EXPECT_FALSE(found.cause.has_location());
  EXPECT_EQ(found.cause.location_task().comm(), "t");
  EXPECT_EQ(found.cause.location_task().pid(), 77);
}

TEST(Cause, TheLocationIsFoundAgainInItsStack) {
  auto record = RecordOf({"__crash_kexec", "panic", "sysrq_handle_crash", "write_sysrq_trigger"});
  EXPECT_EQ(LocationStack(record), nullptr);
  SetCause(LogOf({"Kernel panic - not syncing: sysrq triggered crash"}), record);
  ASSERT_EQ(LocationStack(record), &record.cpus(0).stack());
  EXPECT_EQ(record.cause().location_frame(), 2u);
  EXPECT_TRUE(record.cpus(0).stack().frames(1).machinery());
  EXPECT_FALSE(record.cpus(0).stack().frames(2).machinery());
}

TEST(Cause, WhatUserlandWroteDecidesNothing) {
  auto log = LogOf({"Kernel panic - not syncing: sysrq triggered crash",
                    "BUG: kernel NULL pointer dereference, address: 0000000000000010",
                    "INFO: task t:77 blocked for more than 120 seconds."});
  for (walk::LogRecord& line : log) line.facility = 1;
  auto found = FindCause(log, RecordOf({"facet [granite]", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_PANIC);
  EXPECT_EQ(found.cause.panic_message(), "");
  EXPECT_EQ(found.cause.oops_message(), "");
  EXPECT_EQ(NamedHungTask(log), std::nullopt);
}

// As a running machine's log goes on behind an oops that it survived.
std::vector<std::string> OldOopsLog() {
  auto lines = kOopsLog;
  lines.push_back("---[ end trace 0000000000000000 ]---");
  for (int i = 0; i < 40; ++i) lines.push_back("eth0: link up");
  return lines;
}

TEST(Cause, AnOldOopsIsNotBlamedForACrashElsewhere) {
  auto found = FindCause(LogOf(OldOopsLog()), RecordOf({"other [slate]", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_PANIC);
  EXPECT_EQ(found.cause.oops_message(), "");
}

TEST(Cause, AnOopsOfTheCrashedFunctionIsBlamedWhateverFollowsIt) {
  auto found = FindCause(LogOf(OldOopsLog()), RecordOf({"facet [granite]", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_BAD_POINTER);
}

TEST(Cause, AnOopsOnAnotherCpuIsNotTheCrashedFunctions) {
  auto lines = OldOopsLog();
  lines[3] = "CPU: 0 PID: 312 Comm: t";
  auto found = FindCause(LogOf(lines), RecordOf({"facet [granite]", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_PANIC);
}

TEST(Cause, WithoutAnySignOfACrashAnOopsIsNotItsCause) {
  auto found = FindCause(LogOf(kOopsLog), {});
  EXPECT_EQ(found.cause.kind(), Cause::KIND_UNSPECIFIED);
  EXPECT_EQ(found.cause.oops_message(), "");
}

TEST(Cause, ASysrqCrashHasNoFaultAddress) {
  auto found = FindCause(
      LogOf({"sysrq: Trigger a crash",
             "BUG: kernel NULL pointer dereference, address: 0000000000000000"}),
      RecordOf({"sysrq_handle_crash", "__handle_sysrq", "write_sysrq_trigger", "do_syscall_64"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_SYSRQ);
  EXPECT_FALSE(found.cause.fault_address_known());
}

TEST(Cause, AJumpToNowhereNamesTheCaller) {
  auto found = FindCause(LogOf({"BUG: kernel NULL pointer dereference, address: 0000000000000000",
                                "#PF: supervisor instruction fetch in kernel mode"}),
                         RecordOf({"-", "call_through [granite]", "kthread"}));
  EXPECT_EQ(found.cause.location().symbol(), "call_through");
  EXPECT_TRUE(found.cause.fault_address_known());
  EXPECT_EQ(found.cause.fault_address(), 0u);
}

TEST(Cause, WithoutAStackTheLogNamesTheLocation) {
  v1::FirstFailure crashed;
  crashed.mutable_clock()->set_crash_time_s(1700000000);
  auto found = FindCause(LogOf(kOopsLog), crashed);
  EXPECT_EQ(found.cause.kind(), Cause::KIND_BAD_POINTER);
  EXPECT_EQ(found.cause.location().symbol(), "facet");
  EXPECT_EQ(found.cause.location().module(), "granite");
  EXPECT_EQ(found.cause.location().offset(), 0x1bu);
  EXPECT_EQ(found.cause.context(), "task");
}

TEST(Cause, WithoutALogTheStackStillNamesTheLocation) {
  auto found = FindCause({}, RecordOf({"__crash_kexec", "panic", "mount_root", "kthread"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_PANIC);
  EXPECT_EQ(found.cause.location().symbol(), "mount_root");
}

TEST(Cause, NothingKnownIsUnknown) {
  auto found = FindCause({}, {});
  EXPECT_EQ(found.cause.kind(), Cause::KIND_UNSPECIFIED);
  EXPECT_FALSE(found.cause.has_location());
  EXPECT_EQ(found.cause.context(), "");
}

TEST(Cause, AModulesFunctionNamedPanicIsNotTheKernels) {
  auto found = FindCause(LogOf(kOopsLog), RecordOf({"panic [granite]", "seam [granite]"}));
  EXPECT_EQ(found.cause.kind(), Cause::KIND_BAD_POINTER);
  EXPECT_EQ(found.cause.location().symbol(), "panic");
}

TEST(Cause, AMessageThatIsNotUtf8IsMadeSafe) {
  auto found = FindCause(LogOf({"Kernel panic - not syncing: bad \xff byte"}), {});
  EXPECT_EQ(found.cause.panic_message(), "bad \\xff byte");
}

}  // namespace
}  // namespace hmem::firstfailure
