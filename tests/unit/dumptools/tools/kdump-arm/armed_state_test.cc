// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/armed_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/makers/machine_tree.h"

namespace hmem::arm {
namespace {

using loader::Host;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ArmedState State() {
  ArmedState state;
  state.arm_id = "feed";
  state.host_id = "beef";
  state.kernel_release = "6.1";
  state.kernel_path = "/boot/vmlinuz-6.1";
  state.target = "/var/crash";
  state.target_device = "/dev/vda1";
  state.source = "/dev/hmem";
  state.command_line = "console=ttyS0";
  state.initramfs_bytes = 123;
  state.armed_at_s = 1'700'000'000;
  return state;
}

class ArmedStateTest : public testing::Test {
 protected:
  ArmedStateTest() { tree_.Directory("/run").File("/sys/kernel/kexec_crash_size", "134217728\n"); }
  ArmStatus Status(std::string_view loaded) {
    tree_.File("/sys/kernel/kexec_crash_loaded", loaded);
    return ReadStatus(host_).value();
  }

  makers::MachineTree tree_;
  Host host_{tree_.root()};
};

TEST_F(ArmedStateTest, ComesBackAsItWasSaved) {
  ASSERT_TRUE(SaveState(host_, State()));
  auto state = LoadState(host_).value();
  ASSERT_TRUE(state);
  EXPECT_EQ(state->arm_id, "feed");
  EXPECT_EQ(state->target_device, "/dev/vda1");
  EXPECT_EQ(state->source, "/dev/hmem");
  EXPECT_EQ(state->initramfs_bytes, 123u);
  EXPECT_EQ(state->armed_at_s, 1'700'000'000);
}

TEST_F(ArmedStateTest, IsNothingBeforeTheFirstArming) {
  EXPECT_FALSE(LoadState(host_).value());
  EXPECT_TRUE(RemoveState(host_));
}

TEST_F(ArmedStateTest, RefusesDamagedFiles) {
  for (std::string_view text : {"", "{", "[]", "{\"arm_id\": 3}", "\xff\xfe"}) {
    tree_.File(kStatePath, text);
    auto state = LoadState(host_);
    ASSERT_FALSE(state) << text;
    EXPECT_EQ(state.error().code(), ErrorCode::kCorrupt);
  }
}

TEST_F(ArmedStateTest, ArmedMeansLoadedAndByUs) {
  EXPECT_FALSE(Status("0\n").armed());
  EXPECT_FALSE(Status("1\n").armed());
  EXPECT_THAT(StatusText(Status("1\n")), HasSubstr("not by kdump-arm"));
  ASSERT_TRUE(SaveState(host_, State()));
  EXPECT_TRUE(Status("1\n").armed());
  EXPECT_FALSE(Status("0\n").armed());
}

TEST_F(ArmedStateTest, SaysWhatChangedSinceItWasArmed) {
  tree_.File("/boot/vmlinuz-6.1", "kernel").File("/dev/vda1", "").Directory("/var/crash");
  loader::Preparation made;
  made.kernel_path = "/boot/vmlinuz-6.1";
  made.identity.arm_id = "feed";
  ArmedState state = StateOf(host_, made, 1);
  EXPECT_EQ(state.kernel_bytes, 6u);
  EXPECT_NE(state.kernel_mtime_s, 0);
  state.target = "/var/crash";
  state.target_device = "/dev/vda1";
  ASSERT_TRUE(SaveState(host_, state));
  EXPECT_THAT(Status("1\n").changes, IsEmpty());
  tree_.File("/boot/vmlinuz-6.1", "another kernel");
  EXPECT_THAT(Status("1\n").changes, ElementsAre(HasSubstr("/boot/vmlinuz-6.1 was replaced")));
  EXPECT_THAT(StatusText(Status("1\n")), HasSubstr("changed: /boot/vmlinuz-6.1"));
  tree_.Remove("/dev/vda1");
  auto json = nlohmann::json::parse(StatusJson(Status("1\n")));
  ASSERT_EQ(json["changes"].size(), 2u);
  EXPECT_EQ(json["changes"][1], "/dev/vda1 is not there; run kdump-arm check");
  tree_.Remove("/boot/vmlinuz-6.1");
  EXPECT_THAT(Status("1\n").changes.front(), HasSubstr("is not there any more"));
}

TEST_F(ArmedStateTest, SaysThatMemoryChangedUnlessTheKernelKeepsTheImageUpToDate) {
  constexpr std::string_view kRam =
      "00001000-0009fbff : System RAM\n00100000-3fffffff : System RAM\n"
      "  01000000-01bfffff : Kernel code\n";
  tree_.File("/dev/vda1", "").Directory("/var/crash").File("/proc/iomem", kRam);
  ArmedState state = StateOf(host_, {}, 1);
  EXPECT_EQ(state.system_ram_bytes, 0x9ec00u + 0x3ff00000u);
  state.arm_id = "feed";
  state.target = "/var/crash";
  state.target_device = "/dev/vda1";
  ASSERT_TRUE(SaveState(host_, state));
  EXPECT_THAT(Status("1\n").changes, IsEmpty());
  tree_.File("/proc/iomem", std::string(kRam) + "100000000-107ffffff : System RAM\n");
  EXPECT_THAT(Status("1\n").changes, ElementsAre(HasSubstr("memory was 1023 MiB and is 1151 MiB")));
  tree_.File("/sys/devices/system/memory/crash_hotplug", "1\n");
  EXPECT_THAT(Status("1\n").changes, IsEmpty());
  tree_.Remove("/sys/devices/system/memory/crash_hotplug");
  tree_.File("/proc/iomem", "00000000-00000000 : System RAM\n");
  EXPECT_THAT(Status("1\n").changes, IsEmpty());
}

TEST_F(ArmedStateTest, AStatusThatCannotBeToldIsJsonToo) {
  auto json = nlohmann::json::parse(StatusErrorJson(Error(ErrorCode::kUnsupported, "no kexec")));
  EXPECT_EQ(json["armed"], false);
  EXPECT_EQ(json["error"], "no kexec");
}

TEST_F(ArmedStateTest, TheJsonSaysWhatTheTextSays) {
  ASSERT_TRUE(SaveState(host_, State()));
  auto json = nlohmann::json::parse(StatusJson(Status("1\n")));
  EXPECT_EQ(json["armed"], true);
  EXPECT_EQ(json["reserved_bytes"], 134217728);
  EXPECT_EQ(json["arming"]["arm_id"], "feed");
  EXPECT_THAT(StatusText(Status("1\n")), HasSubstr("arm id: feed"));
  EXPECT_EQ(nlohmann::json::parse(StatusJson(Status("0\n"))).count("arming"), 0u);
}

TEST_F(ArmedStateTest, CheckShowsEveryAnswerWithItsAdvice) {
  loader::Preparation made;
  made.checks = {loader::Passed("root", "running as root"),
                 loader::Failed("target", "/x: \xff", "mkdir /x")};
  EXPECT_EQ(CheckText(made),
            "ok       root: running as root\nfailed   target: /x: \xff\n         mkdir /x\n");
  auto json = nlohmann::json::parse(CheckJson(made));
  EXPECT_EQ(json["ready"], false);
  EXPECT_EQ(json["checks"][1]["state"], "failed");
  EXPECT_EQ(json["checks"][1]["advice"], "mkdir /x");
}

}  // namespace
}  // namespace hmem::arm
