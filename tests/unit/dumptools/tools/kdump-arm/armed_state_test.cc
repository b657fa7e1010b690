// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/armed_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/makers/machine_tree.h"

namespace hmem::arm {
namespace {

using loader::Host;
using testing::HasSubstr;

ArmedState State() {
  ArmedState state;
  state.arm_id = "feed";
  state.host_id = "beef";
  state.kernel_release = "6.1";
  state.kernel_path = "/boot/vmlinuz-6.1";
  state.target = "/var/crash";
  state.target_device = "/dev/vda1";
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
