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

std::string Line(Stage stage,
                 const StageDestination& destination = {"/proc/vmcore", "/mnt/x/dump.hmem"}) {
  return fmt::format("{}", fmt::join(StageCommand(stage, destination, "").argv, " "));
}

TEST(StageCommand, EveryRungIsSimplerThanTheOneAbove) {
  EXPECT_EQ(Line(Stage::kRecord),
            "/bin/hmemdump --first-failure-only --progress none --identity /etc/hmem/identity.conf "
            "/proc/vmcore "
            "/mnt/x/dump.hmem");
  EXPECT_EQ(Line(Stage::kRecordAgain), Line(Stage::kRecord));
  EXPECT_EQ(Line(Stage::kFull),
            "/bin/hmemdump --exclude zero --stats --progress none --identity "
            "/etc/hmem/identity.conf /proc/vmcore "
            "/mnt/x/dump.hmem");
  EXPECT_EQ(
      Line(Stage::kSingle),
      "/bin/hmemdump --jobs 0 --compress none --exclude zero --stats --progress none --identity "
      "/etc/hmem/identity.conf "
      "/proc/vmcore /mnt/x/dump.hmem");
  EXPECT_EQ(Line(Stage::kAddress),
            "/bin/hmemdump --jobs 0 --compress none --no-record --order address --no-classify "
            "--stats --progress none --identity "
            "/etc/hmem/identity.conf /proc/vmcore "
            "/mnt/x/dump.hmem");
  EXPECT_EQ(Line(Stage::kLog), "/bin/hmemdump --log-only --max-bytes 48K /proc/vmcore");
}

TEST(StageCommand, OnlyTheFullDumpUsesSeveralCpus) {
  StageDestination destination{.source = "/proc/vmcore", .path = "/mnt/x/dump.hmem", .cpus = 4};
  EXPECT_THAT(StageCommand(Stage::kFull, destination, "").argv, Contains("4"));
  EXPECT_THAT(StageCommand(Stage::kSingle, destination, "").argv, Not(Contains("4")));
}

TEST(StageCommand, ADumpEndsBeforeItIsKilledAndARecordHasNothingToEnd) {
  StageDestination destination{
      .source = "/proc/vmcore", .path = "/mnt/x/dump.hmem", .end_after_s = 50};
  for (Stage stage : {Stage::kFull, Stage::kSingle, Stage::kAddress})
    EXPECT_THAT(Line(stage, destination), testing::HasSubstr(" --stats --deadline 50 "))
        << StageName(stage);
  for (Stage stage : {Stage::kRecord, Stage::kLog})
    EXPECT_THAT(Line(stage, destination), Not(testing::HasSubstr("--deadline")));
}

TEST(StageCommand, OnADeviceOnlyADumpMayBeOverwritten) {
  EXPECT_EQ(Line(Stage::kFull, {"/proc/vmcore", "/dev/vdb", true}),
            "/bin/hmemdump --exclude zero --overwrite-dump --stats --progress none --identity "
            "/etc/hmem/identity.conf "
            "/proc/vmcore /dev/vdb");
}

TEST(StageCommand, FullDumpsLeaveOutWhatThePlanSays) {
  StageDestination destination{.source = "", .path = "/dev/vdb", .device = true};
  destination.exclude = "31";
  destination.keep = "task:crashing  range:0x1000-0x2000";
  for (Stage stage : {Stage::kFull, Stage::kSingle})
    EXPECT_THAT(
        Line(stage, destination),
        testing::HasSubstr(" --exclude 31 --keep task:crashing --keep range:0x1000-0x2000 "))
        << StageName(stage);
  for (Stage stage : {Stage::kRecord, Stage::kAddress, Stage::kLog})
    EXPECT_THAT(Line(stage, destination), Not(testing::HasSubstr(" 31"))) << StageName(stage);
}

TEST(StageCommand, TheIdentityCanBeACopy) {
  StageDestination destination{.source = "", .path = "/dev/vdb", .device = true};
  destination.identity = "/run/hmem/identity.conf";
  EXPECT_THAT(StageCommand(Stage::kRecord, destination, "").argv,
              Contains("/run/hmem/identity.conf"));
}

TEST(StageCommand, WithoutASourceHmemdumpFindsIt) {
  StageDestination destination{.source = "", .path = "/mnt/x/dump.hmem"};
  EXPECT_EQ(
      Line(Stage::kFull, destination),
      "/bin/hmemdump --exclude zero --stats --progress none --identity /etc/hmem/identity.conf "
      "/mnt/x/dump.hmem");
  EXPECT_EQ(Line(Stage::kLog, destination), "/bin/hmemdump --log-only --max-bytes 48K");
}

TEST(StageCommand, AFaultGoesIntoTheEnvironment) {
  EXPECT_THAT(StageCommand(Stage::kFull, {"/proc/vmcore", "/dev/vdb", true}, "hang").environment,
              ElementsAre("PATH=/bin", "HMEM_FAULT=hang"));
  EXPECT_THAT(StageCommand(Stage::kFull, {"/proc/vmcore", "/dev/vdb", true}, "").environment,
              ElementsAre("PATH=/bin"));
}

}  // namespace
}  // namespace hmem::init
