// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/stage_command.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hmem::init {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

std::string Line(Stage stage, const StageDestination& destination = {"/mnt/x/dump.hmem", false}) {
  return fmt::format("{}", fmt::join(StageCommand(stage, destination, "").argv, " "));
}

TEST(StageCommand, EveryRungIsSimplerThanTheOneAbove) {
  EXPECT_EQ(Line(Stage::kRecord),
            "/bin/hmemdump --first-failure-only --progress none --identity /etc/hmem/identity.conf "
            "/proc/vmcore "
            "/mnt/x/dump.hmem");
  EXPECT_EQ(Line(Stage::kRecordAgain), Line(Stage::kRecord));
  EXPECT_EQ(Line(Stage::kFull),
            "/bin/hmemdump --progress none --identity /etc/hmem/identity.conf /proc/vmcore "
            "/mnt/x/dump.hmem");
  EXPECT_EQ(
      Line(Stage::kSingle),
      "/bin/hmemdump --jobs 1 --compress none --progress none --identity /etc/hmem/identity.conf "
      "/proc/vmcore /mnt/x/dump.hmem");
  EXPECT_EQ(Line(Stage::kAddress),
            "/bin/hmemdump --jobs 1 --compress none --no-record --progress none --identity "
            "/etc/hmem/identity.conf /proc/vmcore "
            "/mnt/x/dump.hmem");
  EXPECT_EQ(Line(Stage::kLog), "/bin/hmemdump --log-only --max-bytes 48K /proc/vmcore");
}

TEST(StageCommand, OnlyTheFullDumpUsesSeveralCpus) {
  StageDestination destination{.path = "/mnt/x/dump.hmem", .device = false, .cpus = 4};
  EXPECT_THAT(StageCommand(Stage::kFull, destination, "").argv, Contains("4"));
  EXPECT_THAT(StageCommand(Stage::kSingle, destination, "").argv, Not(Contains("4")));
}

TEST(StageCommand, ADumpEndsBeforeItIsKilledAndARecordHasNothingToEnd) {
  StageDestination destination{.path = "/mnt/x/dump.hmem", .device = false, .end_after_s = 50};
  for (Stage stage : {Stage::kFull, Stage::kSingle, Stage::kAddress})
    EXPECT_THAT(Line(stage, destination), testing::HasSubstr(" --deadline 50 "))
        << StageName(stage);
  for (Stage stage : {Stage::kRecord, Stage::kLog})
    EXPECT_THAT(Line(stage, destination), Not(testing::HasSubstr("--deadline")));
}

TEST(StageCommand, OnADeviceOnlyADumpMayBeOverwritten) {
  EXPECT_EQ(Line(Stage::kFull, {"/dev/vdb", true}),
            "/bin/hmemdump --overwrite-dump --progress none --identity /etc/hmem/identity.conf "
            "/proc/vmcore /dev/vdb");
}

TEST(StageCommand, TheIdentityCanBeACopy) {
  StageDestination destination{.path = "/dev/vdb", .device = true};
  destination.identity = "/run/hmem/identity.conf";
  EXPECT_THAT(StageCommand(Stage::kRecord, destination, "").argv,
              Contains("/run/hmem/identity.conf"));
}

TEST(StageCommand, AFaultGoesIntoTheEnvironment) {
  EXPECT_THAT(StageCommand(Stage::kFull, {"/dev/vdb", true}, "hang").environment,
              ElementsAre("PATH=/bin", "HMEM_FAULT=hang"));
  EXPECT_THAT(StageCommand(Stage::kFull, {"/dev/vdb", true}, "").environment,
              ElementsAre("PATH=/bin"));
}

}  // namespace
}  // namespace hmem::init
