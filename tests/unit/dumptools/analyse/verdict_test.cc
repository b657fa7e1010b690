// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/analyse/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hmem::analyse {
namespace {

using testing::Contains;
using testing::HasSubstr;

v1::FirstFailure BadPointer(uint64_t address) {
  v1::FirstFailure failure;
  failure.set_crashed_cpu(1);
  v1::Cpu& cpu = *failure.add_cpus();
  cpu.set_number(1);
  cpu.set_crashed(true);
  v1::Cause& cause = *failure.mutable_cause();
  cause.set_kind(v1::Cause::KIND_BAD_POINTER);
  cause.set_fault_address(address);
  cause.set_fault_address_known(true);
  cause.set_context("hard interrupt");
  cause.set_location_cpu(1);
  cause.mutable_location()->set_symbol("facet");
  cause.mutable_location()->set_offset(0x1b);
  cause.mutable_location()->set_module("granite");
  failure.mutable_crashed_task()->set_comm("chisel");
  failure.mutable_crashed_task()->set_pid(312);
  return failure;
}

TEST(Verdict, SaysWhatWhereWhoOnOneLine) {
  EXPECT_EQ(Verdict(BadPointer(0)),
            "bad pointer NULL in facet+0x1b [granite], hard interrupt context, task chisel (pid "
            "312), CPU 1");
}

TEST(Verdict, AHungTaskIsNamedBeforeTheTaskThatFoundIt) {
  v1::FirstFailure failure = BadPointer(0);
  v1::Cause& cause = *failure.mutable_cause();
  cause.set_kind(v1::Cause::KIND_HUNG_TASK);
  cause.set_fault_address_known(false);
  cause.set_context("task");
  cause.mutable_location_task()->set_comm("mason");
  cause.mutable_location_task()->set_pid(90);
  failure.mutable_crashed_task()->set_comm("khungtaskd");
  failure.mutable_crashed_task()->set_pid(35);
  EXPECT_EQ(Verdict(failure),
            "hung task in facet+0x1b [granite], task mason (pid 90), found by khungtaskd (pid 35) "
            "on CPU 1");
}

TEST(Verdict, ALockedUpCpuIsNamedBeforeTheOneThatFoundIt) {
  v1::FirstFailure failure = BadPointer(0);
  failure.mutable_cause()->set_kind(v1::Cause::KIND_HARD_LOCKUP);
  failure.mutable_cause()->set_fault_address_known(false);
  failure.mutable_cause()->set_context("task");
  failure.mutable_cause()->set_location_cpu(3);
  EXPECT_EQ(Verdict(failure),
            "hard lockup in facet+0x1b [granite], CPU 3, found by chisel (pid 312) on CPU 1");
}

TEST(Verdict, NothingKnownIsSaidSo) { EXPECT_EQ(Verdict({}), "failure of unknown kind"); }

TEST(WhereToLook, KnowsPoisonAndNullMembers) {
  EXPECT_THAT(WhereToLook(BadPointer(0x18)), Contains(HasSubstr("pointer is NULL")));
  EXPECT_THAT(WhereToLook(BadPointer(0xdead000000000100)), Contains(HasSubstr("list poison")));
  EXPECT_THAT(WhereToLook(BadPointer(0x6b6b6b6b6b6b6b73)), Contains(HasSubstr("slab poison")));
  EXPECT_TRUE(WhereToLook(BadPointer(0xffffffffdead1000)).empty());
}

TEST(WhereToLook, TellsACallOfANullPointerFromAMemberOfOne) {
  v1::FirstFailure failure = BadPointer(0);
  EXPECT_THAT(WhereToLook(failure), Contains(HasSubstr("structure whose pointer is NULL")));
  failure.mutable_cpus(0)->mutable_stack()->add_frames()->set_exact(true);
  EXPECT_THAT(WhereToLook(failure), Contains("A function pointer that is NULL was called."));
}

TEST(WhereToLook, PointsToAnEarlierFailure) {
  v1::FirstFailure failure;
  failure.mutable_first_failure()->set_kind("warning");
  EXPECT_THAT(WhereToLook(failure), Contains(HasSubstr("earlier failure (warning)")));
  failure.mutable_first_failure()->set_is_the_panic(true);
  EXPECT_TRUE(WhereToLook(failure).empty());
}

}  // namespace
}  // namespace hmem::analyse
