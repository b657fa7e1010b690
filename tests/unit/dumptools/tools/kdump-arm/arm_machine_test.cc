// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/arm_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/fakes/fake_kexec.h"
#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::arm {
namespace {

using testing::HasSubstr;

class ArmMachineTest : public testing::Test {
 protected:
  ArmMachineTest() { machine_.tree.Directory("/run"); }
  void Loaded(std::string_view number) {
    machine_.tree.File("/sys/kernel/kexec_crash_loaded", number);
  }
  Result<ArmedState> Arm() {
    return ArmMachine(machine_.host(), loader::Prepare(machine_.host(), {}), kexec_, 1);
  }
  // Armed once, and the next load ends with `loaded_after`.
  std::string SecondFailure(std::string_view loaded_after) {
    kexec_.on_load = [this] {
      Loaded("1\n");
      return Status();
    };
    EXPECT_TRUE(Arm());
    kexec_.on_load = [this, loaded_after] {
      Loaded(loaded_after);
      return FailErrno("kexec_file_load", EINVAL);
    };
    return Arm().error().ToString();
  }

  loader::MadeMachine machine_;
  fakes::FakeKexec kexec_;
};

TEST_F(ArmMachineTest, RemembersWhatItLoaded) {
  kexec_.on_load = [this] {
    Loaded("1\n");
    return Status();
  };
  auto state = Arm();
  ASSERT_TRUE(state) << state.error().ToString();
  EXPECT_EQ(LoadState(machine_.host()).value()->arm_id, state->arm_id);
}

TEST_F(ArmMachineTest, AFailureThatCostTheImageBeforeSaysSoAndForgetsIt) {
  EXPECT_THAT(SecondFailure("0\n"), HasSubstr("no crash kernel is loaded now"));
  EXPECT_FALSE(LoadState(machine_.host()).value());
}

TEST_F(ArmMachineTest, AFailureThatLeftTheImageBeforeSaysSoAndRemembersIt) {
  EXPECT_THAT(SecondFailure("1\n"), HasSubstr("loaded before stays"));
  EXPECT_TRUE(LoadState(machine_.host()).value());
}

TEST_F(ArmMachineTest, SaysWhatAFailedCheckLeaves) {
  Loaded("1\n");
  EXPECT_THAT(WhatIsLoaded(machine_.host()), HasSubstr("loaded before stays"));
  Loaded("0\n");
  EXPECT_THAT(WhatIsLoaded(machine_.host()), HasSubstr("no crash kernel is loaded now"));
}

}  // namespace
}  // namespace hmem::arm
