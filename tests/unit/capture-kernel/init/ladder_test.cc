// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/ladder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <vector>

namespace hmem::init {
namespace {

using testing::ElementsAre;

class FakeRunner : public StageRunner {
 public:
  explicit FakeRunner(std::set<Stage> failing) : failing_(std::move(failing)) {}

  StageOutcome Run(Stage stage) override {
    ran.push_back(stage);
    bool done = !failing_.contains(stage);
    // Every stage but the log makes the record if there is none.
    if (done && stage != Stage::kLog) record = true;
    return {.done = done, .target_lost = stage == stuck, .reason = done ? "" : "told to"};
  }
  bool RecordDurable() override { return record; }

  std::vector<Stage> ran;
  bool record = false;
  std::optional<Stage> stuck;  // its child cannot be ended

 private:
  std::set<Stage> failing_;
};

TEST(Ladder, StopsAtTheFirstDump) {
  FakeRunner runner({});
  LadderResult result = RunLadder(runner, true);
  EXPECT_THAT(runner.ran, ElementsAre(Stage::kRecord, Stage::kFull));
  EXPECT_TRUE(result.record_durable);
  EXPECT_TRUE(result.dump_durable);
  EXPECT_FALSE(result.log_shown);
}

TEST(Ladder, StepsDownOneRungAfterTheOther) {
  FakeRunner runner({Stage::kFull, Stage::kSingle});
  EXPECT_TRUE(RunLadder(runner, true).dump_durable);
  EXPECT_THAT(runner.ran,
              ElementsAre(Stage::kRecord, Stage::kFull, Stage::kSingle, Stage::kAddress));
}

TEST(Ladder, ADumpMakesUpForAFailedRecord) {
  FakeRunner runner({Stage::kRecord});
  EXPECT_TRUE(RunLadder(runner, true).record_durable);
  EXPECT_THAT(runner.ran, ElementsAre(Stage::kRecord, Stage::kFull));
}

TEST(Ladder, IsContentWithTheRecordWhenNoDumpCanBeMade) {
  FakeRunner runner({Stage::kFull, Stage::kSingle, Stage::kAddress});
  LadderResult result = RunLadder(runner, true);
  EXPECT_TRUE(result.record_durable);
  EXPECT_FALSE(result.dump_durable);
  EXPECT_THAT(runner.ran,
              ElementsAre(Stage::kRecord, Stage::kFull, Stage::kSingle, Stage::kAddress));
}

TEST(Ladder, TriesTheRecordOnceMoreBeforeTheLog) {
  FakeRunner runner({Stage::kRecord, Stage::kFull, Stage::kSingle, Stage::kAddress});
  EXPECT_TRUE(RunLadder(runner, true).record_durable);
  EXPECT_EQ(runner.ran.back(), Stage::kRecordAgain);
}

TEST(Ladder, ShowsTheLogWhenAllElseFails) {
  FakeRunner runner(
      {Stage::kRecord, Stage::kFull, Stage::kSingle, Stage::kAddress, Stage::kRecordAgain});
  LadderResult result = RunLadder(runner, true);
  EXPECT_TRUE(result.log_shown);
  EXPECT_FALSE(result.record_durable);
  EXPECT_EQ(runner.ran.back(), Stage::kLog);
}

TEST(Ladder, WithoutATargetOnlyTheLogIsLeft) {
  FakeRunner runner({});
  EXPECT_TRUE(RunLadder(runner, false).log_shown);
  EXPECT_THAT(runner.ran, ElementsAre(Stage::kLog));
}

TEST(Ladder, NothingElseIsWrittenWhereAChildMayStillWrite) {
  FakeRunner runner({Stage::kFull});
  runner.stuck = Stage::kFull;
  LadderResult result = RunLadder(runner, true);
  EXPECT_THAT(runner.ran, ElementsAre(Stage::kRecord, Stage::kFull));
  EXPECT_TRUE(result.record_durable);
  EXPECT_FALSE(result.log_shown);
}

TEST(Ladder, ARecordChildThatCannotBeEndedLeavesTheLog) {
  FakeRunner runner({Stage::kRecord});
  runner.stuck = Stage::kRecord;
  EXPECT_TRUE(RunLadder(runner, true).log_shown);
  EXPECT_THAT(runner.ran, ElementsAre(Stage::kRecord, Stage::kLog));
}

TEST(Ladder, EndsEvenWhenTheLogFails) {
  FakeRunner runner({Stage::kLog});
  EXPECT_FALSE(RunLadder(runner, false).log_shown);
}

}  // namespace
}  // namespace hmem::init
