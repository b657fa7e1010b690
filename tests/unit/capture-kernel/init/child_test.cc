// SPDX-License-Identifier: GPL-2.0-or-later
// Real children on the build host.
#include "capture-kernel/init/child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "tests/makers/temp_file.h"

namespace hmem::init {
namespace {

using End = ChildResult::End;

ChildResult Shell(const std::string& script,
                  ChildLimits limits = {.deadline_ms = 20'000, .data_bytes = 0}) {
  return RunChild({{"/bin/sh", "-c", script}, {"PATH=/usr/bin:/bin", "WORD=value"}}, limits, [] {});
}

TEST(Child, ItsExitStatusComesBack) {
  ChildResult result = Shell("exit 3");
  EXPECT_TRUE(result.exited_with(3));
  EXPECT_EQ(result.Describe(), "exit status 3");
}

TEST(Child, GetsItsEnvironmentAndNothingElse) {
  EXPECT_TRUE(Shell("test \"$WORD\" = value && test -z \"$HOME\"").exited_with(0));
}

TEST(Child, AnAbortIsNamed) {
  ChildResult result = Shell("kill -ABRT $$");
  EXPECT_EQ(result.end, End::kSignalled);
  EXPECT_EQ(result.Describe(), "killed by signal 6 (Aborted)");
}

TEST(Child, AHangEndsAtTheDeadline) {
  ChildResult result = Shell("sleep 1000", {.deadline_ms = 300, .data_bytes = 0});
  EXPECT_EQ(result.end, End::kDeadline);
  EXPECT_EQ(result.Describe(), "killed by signal 9 (deadline 1 s)");
  EXPECT_GE(result.took_ms, 300u);
  EXPECT_LT(result.took_ms, 10'000u);
}

TEST(Child, ADeadlineCannotBeIgnored) {
  EXPECT_EQ(Shell("trap '' TERM INT HUP; while :; do sleep 1; done",
                  {.deadline_ms = 300, .data_bytes = 0})
                .end,
            End::kDeadline);
}

TEST(Child, ItsChildrenDieWithIt) {
  makers::TempFile file(std::string_view(""));
  // The grandchild holds no pipe of ours and would write in two seconds.
  ChildResult result = Shell("(sleep 2; echo late >" + file.path() + ") & exit 0");
  EXPECT_TRUE(result.exited_with(0));
  ::sleep(3);
  std::ifstream in(file.path());
  std::string text;
  in >> text;
  EXPECT_EQ(text, "");
}

TEST(Child, AHogMeetsItsMemoryLimit) {
  // The shell's variable doubles until the data limit stops it; without one it would take 1 GiB.
  constexpr std::string_view kHog =
      "x=0123456789abcdef; i=0; while [ $i -lt 26 ]; do x=$x$x; i=$((i+1)); done; exit 0";
  ChildResult result = Shell(std::string(kHog), {.deadline_ms = 60'000, .data_bytes = 32 << 20});
  EXPECT_FALSE(result.exited_with(0)) << result.Describe();
  EXPECT_NE(result.end, End::kDeadline);
}

TEST(Child, IsFirstInLineForTheOutOfMemoryKiller) {
  EXPECT_TRUE(Shell("test \"$(cat /proc/self/oom_score_adj)\" = 1000").exited_with(0));
}

TEST(Child, RunsInAProcessGroupOfItsOwn) {
  std::string own = std::to_string(::getpgrp());
  EXPECT_TRUE(Shell("set -- $(cat /proc/self/stat); test \"$5\" != " + own).exited_with(0));
}

TEST(Child, AProgramThatIsNotThereIsNotStarted) {
  ChildResult result =
      RunChild({{"/nonexistent/program"}, {}}, {.deadline_ms = 5000, .data_bytes = 0}, [] {});
  EXPECT_EQ(result.end, End::kNotStarted);
  EXPECT_EQ(result.Describe(), "not started: No such file or directory");
}

TEST(Child, AnExitStatusOf127IsOneWhenTheProgramRan) {
  EXPECT_TRUE(Shell("exit 127").exited_with(127));
}

TEST(Child, TicksWhileItRuns) {
  int ticks = 0;
  RunChild({{"/bin/sleep", "1.3"}, {}}, {.deadline_ms = 20'000, .data_bytes = 0}, [&] { ++ticks; });
  EXPECT_GE(ticks, 3);
}

TEST(Child, TellsWhatItTookOfMemory) {
  ChildResult result = Shell("dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null");
  EXPECT_TRUE(result.exited_with(0));
  EXPECT_GE(result.peak_kib, 100u * 1024);
}

Result<std::string> Forever() {
  for (;;) ::pause();
}

TEST(AskChild, ItsAnswerComesBack) {
  EXPECT_EQ(AskChild([] { return Result<std::string>("ext4 1234"); }, 10'000, [] {}).value(),
            "ext4 1234");
}

TEST(AskChild, ItsErrorComesBack) {
  auto answer = AskChild([]() -> Result<std::string> { return FailErrno("/mnt/crash", EROFS); },
                         10'000, [] {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kIo);
  EXPECT_EQ(answer.error().ToString(), "/mnt/crash: Read-only file system");
}

TEST(AskChild, ALongAnswerIsCutAndDoesNotBlock) {
  auto answer =
      AskChild([] { return Result<std::string>(std::string(1 << 20, 'x')); }, 10'000, [] {});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->size(), 4000u);
}

TEST(AskChild, OneThatNeverAnswersIsKilledAtTheDeadline) {
  auto answer = AskChild(&Forever, 200, [] {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().ToString(), "killed by signal 9 (deadline 1 s)");
}

TEST(AskChild, OneThatDiesIsNamed) {
  auto answer = AskChild([]() -> Result<std::string> { std::abort(); }, 10'000, [] {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().ToString(), "killed by signal 6 (Aborted)");
}

TEST(ChildResult, SaysWhenAChildCannotBeKilled) {
  ChildResult result;
  result.end = End::kStuck;
  result.deadline_ms = 60'000;
  EXPECT_EQ(result.Describe(), "does not end (deadline 60 s, signal 9 sent)");
}

}  // namespace
}  // namespace hmem::init
