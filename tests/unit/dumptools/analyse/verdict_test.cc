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

TEST(Verdict, NothingKnownIsSaidSo) { EXPECT_EQ(Verdict({}), "failure of unknown kind"); }

TEST(WhereToLook, KnowsPoisonAndNullMembers) {
  EXPECT_THAT(WhereToLook(BadPointer(0x18)), Contains(HasSubstr("pointer is NULL")));
  EXPECT_THAT(WhereToLook(BadPointer(0xdead000000000100)), Contains(HasSubstr("list poison")));
  EXPECT_THAT(WhereToLook(BadPointer(0x6b6b6b6b6b6b6b73)), Contains(HasSubstr("slab poison")));
  EXPECT_TRUE(WhereToLook(BadPointer(0xffffffffdead1000)).empty());
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
