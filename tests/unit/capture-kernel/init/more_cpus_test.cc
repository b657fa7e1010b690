// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/more_cpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/makers/machine_tree.h"

namespace hmem::init {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(CpuStates, TellsWhoWaits) {
  makers::MachineTree tree;
  tree.File("/devices/system/cpu/online", "0,2\n").File("/devices/system/cpu/present", "0-3\n");
  CpuStates states = ReadCpuStates(tree.root()).value();
  EXPECT_EQ(states.running, 2u);
  EXPECT_THAT(states.waiting, ElementsAre(1, 3));
  tree.File("/devices/system/cpu/online", "soon\n");
  EXPECT_THAT(ReadCpuStates(tree.root()).error().ToString(), HasSubstr("/cpu/online: \"soon\""));
  tree.Remove("/devices/system/cpu/online");
  EXPECT_EQ(ReadCpuStates(tree.root()).error().code(), ErrorCode::kIo);
}

TEST(StartCpu, WritesOneToItsFile) {
  makers::MachineTree tree;
  EXPECT_EQ(StartCpu(tree.root(), 1).error().code(), ErrorCode::kIo);
  tree.File("/devices/system/cpu/cpu1/online", "0");
  ASSERT_TRUE(StartCpu(tree.root(), 1));
  ASSERT_TRUE(StartCpu(tree.root(), 1));
}

class StartCpusTest : public testing::Test {
 protected:
  std::vector<std::string> Start(uint64_t wanted) {
    return StartCpus(
        {.running = 1, .waiting = {1, 2, 3}}, wanted, 30'000,
        [this](uint64_t cpu, uint64_t may_take_ms) -> Status {
          asked_.push_back(cpu);
          may_take_ms_.push_back(may_take_ms);
          now_ms_ += takes_ms_;
          if (cpu == broken_ || all_broken_) return FailErrno("online", EIO);
          return {};
        },
        [this] { return now_ms_; });
  }

  uint64_t now_ms_ = 5000;
  uint64_t takes_ms_ = 100;
  uint64_t broken_ = 0;
  bool all_broken_ = false;
  std::vector<uint64_t> asked_;
  std::vector<uint64_t> may_take_ms_;
};

TEST_F(StartCpusTest, StartsAsManyAsAreWanted) {
  EXPECT_THAT(Start(3), IsEmpty());
  EXPECT_THAT(asked_, ElementsAre(1, 2));
  EXPECT_THAT(may_take_ms_, ElementsAre(15'000, 15'000));
}

TEST_F(StartCpusTest, StartsNoneWhereEnoughAreRunning) {
  EXPECT_THAT(Start(1), IsEmpty());
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(StartCpusTest, MoreThanThereAreIsNoFailure) {
  EXPECT_THAT(Start(8), IsEmpty());
  EXPECT_THAT(asked_, ElementsAre(1, 2, 3));
}

TEST_F(StartCpusTest, TakesAnotherForOneThatDoesNotComeUp) {
  broken_ = 1;
  EXPECT_THAT(Start(3), ElementsAre(testing::AllOf(HasSubstr("cpu 1 did not come up"),
                                                   HasSubstr("Input/output error"))));
  EXPECT_THAT(asked_, ElementsAre(1, 2, 3));
}

TEST_F(StartCpusTest, StopsWhenTheTimeIsUp) {
  all_broken_ = true;
  takes_ms_ = 20'000;
  EXPECT_THAT(Start(4),
              ElementsAre(HasSubstr("cpu 1"), HasSubstr("cpu 2"), "no time left for more CPUs"));
  EXPECT_THAT(may_take_ms_, ElementsAre(15'000, 10'000));
}

}  // namespace
}  // namespace hmem::init
