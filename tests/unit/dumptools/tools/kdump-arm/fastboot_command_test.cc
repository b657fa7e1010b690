// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/fastboot_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "dumptools/tools/kdump-arm/fastboot_state.h"
#include "tests/fakes/fake_reboot_kexec.h"
#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::arm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class FastbootCommandTest : public testing::Test {
 protected:
  FastbootCommandTest() {
    machine_.tree.Directory("/run");
    machine_.tree.File("/boot/initrd.img-" + std::string(loader::kMadeRelease), "initrd");
    machine_.tree.File("/proc/1/comm", "init\n");
    kexec_.on_load = [this] {
      Loaded(true);
      return Status();
    };
  }
  void Loaded(bool loaded) {
    machine_.tree.File("/sys/kernel/kexec_loaded", loaded ? "1\n" : "0\n");
  }
  // "kdump-arm fastboot WORD..."
  FastbootReply Run(std::vector<std::string> words) {
    said_.clear();
    CLI::App app;
    FastbootCommand command(app);
    std::vector<std::string> arguments(words.rbegin(), words.rend());
    arguments.push_back("fastboot");
    app.parse(std::move(arguments));
    EXPECT_TRUE(command.parsed());
    return command.Run(machine_.host(), kexec_, 1'700'000'000,
                       [this](const std::string& line) { said_.push_back(line); });
  }
  nlohmann::json StatusJson() { return nlohmann::json::parse(Run({"status", "--json"}).answer); }

  loader::MadeMachine machine_;
  fakes::FakeRebootKexec kexec_;
  std::vector<std::string> said_;
};

TEST_F(FastbootCommandTest, LoadsAndRemembersWhat) {
  FastbootReply reply = Run({"load", "--append", "quiet"});
  EXPECT_EQ(reply.exit, 0);
  EXPECT_THAT(reply.answer, StartsWith("loaded: 6.1.0-56-cloud-amd64 (/boot/vmlinuz-"));
  EXPECT_THAT(said_, IsEmpty());
  EXPECT_EQ(kexec_.command_line, "console=ttyS0 crashkernel=128M quiet");
  auto json = StatusJson();
  EXPECT_EQ(json["loaded"], true);
  EXPECT_EQ(json["loading"]["kernel_release"], loader::kMadeRelease);
  EXPECT_EQ(json["loading"]["command_line"], kexec_.command_line);
  EXPECT_EQ(json["loading"]["loaded_at_s"], 1'700'000'000);
  FastbootReply status = Run({"status"});
  EXPECT_EQ(status.exit, 0);
  EXPECT_THAT(status.answer, HasSubstr("kdump-arm loaded one at 2023-11-14T22:13:20Z"));
}

TEST_F(FastbootCommandTest, PassesEveryOptionOn) {
  machine_.tree.File("/k", loader::MadeKernel("6.9")).File("/i", "initrd");
  machine_.tree.Directory("/lib/modules/6.9");
  EXPECT_EQ(Run({"load", "--kernel", "/k", "--initrd", "/i", "--command-line", ""}).exit, 0);
  EXPECT_EQ(kexec_.kernel, machine_.host().At("/k"));
  EXPECT_EQ(kexec_.initrd, machine_.host().At("/i"));
  EXPECT_EQ(kexec_.command_line, "");
  EXPECT_EQ(Run({"load", "--no-initrd", "--reuse-cmdline", "--append", "x"}).exit, 0);
  EXPECT_EQ(kexec_.initrd, "");
  EXPECT_EQ(kexec_.command_line, "console=ttyS0 crashkernel=128M x");
}

TEST_F(FastbootCommandTest, RefusesOptionsThatContradictEachOther) {
  EXPECT_THROW(Run({"load", "--command-line", "a", "--append", "b"}), CLI::ParseError);
  EXPECT_THROW(Run({"load", "--command-line", "a", "--reuse-cmdline"}), CLI::ParseError);
  EXPECT_THROW(Run({"load", "--initrd", "a", "--no-initrd"}), CLI::ParseError);
  EXPECT_THROW(Run({}), CLI::ParseError);
}

TEST_F(FastbootCommandTest, ARefusalLoadsNothingAndNamesTheReason) {
  machine_.tree.File("/proc/sys/kernel/kexec_load_disabled", "1\n");
  FastbootReply reply = Run({"load"});
  EXPECT_EQ(reply.exit, 1);
  EXPECT_EQ(reply.answer, "");
  EXPECT_THAT(said_, ElementsAre(HasSubstr("kexec_load_disabled")));
  EXPECT_THAT(kexec_.calls, IsEmpty());
}

TEST_F(FastbootCommandTest, AWarningIsToldAndLoadsAllTheSame) {
  machine_.tree.File("/k", loader::MadeKernel("6.9")).File("/boot/initrd.img-6.9", "initrd");
  EXPECT_EQ(Run({"load", "--kernel", "/k"}).exit, 0);
  EXPECT_THAT(said_, ElementsAre(StartsWith("warning: /lib/modules/6.9 is not there")));
}

TEST_F(FastbootCommandTest, AFailedLoadLeavesWhatWasLoadedBeforeRemembered) {
  EXPECT_EQ(Run({"load"}).exit, 0);
  kexec_.on_load = [] { return FailErrno("kexec_file_load", EBUSY); };
  EXPECT_EQ(Run({"load"}).exit, 1);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("kexec_file_load")));
  EXPECT_EQ(StatusJson()["loading"]["kernel_release"], loader::kMadeRelease);
}

TEST_F(FastbootCommandTest, WhatAnotherProgramLoadedIsToldApart) {
  Loaded(true);
  EXPECT_THAT(Run({"status"}).answer, HasSubstr("not by kdump-arm"));
  EXPECT_EQ(StatusJson().count("loading"), 0u);
}

TEST_F(FastbootCommandTest, UnloadForgets) {
  EXPECT_EQ(Run({"unload"}).answer, "nothing was loaded\n");
  EXPECT_THAT(kexec_.calls, IsEmpty());
  EXPECT_EQ(Run({"load"}).exit, 0);
  EXPECT_EQ(Run({"unload"}).answer, "unloaded\n");
  EXPECT_THAT(kexec_.calls, ElementsAre("load", "unload"));
  EXPECT_FALSE(machine_.tree.Has(kFastbootStatePath));
  Loaded(false);
  FastbootReply status = Run({"status"});
  EXPECT_EQ(status.exit, 1);
  EXPECT_EQ(status.answer, "not loaded: a reboot goes through the firmware\n");
}

TEST_F(FastbootCommandTest, ExecNeedsALoadedKernel) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"exec"}, {"exec", "--now"}}) {
    EXPECT_EQ(Run(words).exit, 1);
    EXPECT_THAT(said_, ElementsAre(HasSubstr("run kdump-arm fastboot load first")));
  }
  EXPECT_THAT(kexec_.calls, IsEmpty());
}

TEST_F(FastbootCommandTest, ExecGoesThroughSystemd) {
  Loaded(true);
  machine_.tree.Directory("/run/systemd/system");
  EXPECT_EQ(Run({"exec"}).exit, 0);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("systemd stops services")));
  EXPECT_THAT(kexec_.calls, ElementsAre("systemd"));
  kexec_.result = Fail(ErrorCode::kIo, "systemctl kexec: exit status 1");
  EXPECT_EQ(Run({"exec"}).exit, 1);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("systemd"), "systemctl kexec: exit status 1"));
}

TEST_F(FastbootCommandTest, ExecWithoutSystemdOffersNowAndDoesNothing) {
  Loaded(true);
  EXPECT_EQ(Run({"exec"}).exit, 1);
  EXPECT_THAT(said_, ElementsAre(testing::AllOf(HasSubstr("the first process is init"),
                                                HasSubstr("fastboot exec --now"))));
  EXPECT_THAT(kexec_.calls, IsEmpty());
}

TEST_F(FastbootCommandTest, NowWarnsBeforeItStarts) {
  Loaded(true);
  kexec_.result = FailErrno("reboot(LINUX_REBOOT_CMD_KEXEC)", EBUSY);
  EXPECT_EQ(Run({"exec", "--now"}).exit, 1);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("no file system is unmounted"),
                                 HasSubstr("LINUX_REBOOT_CMD_KEXEC")));
  EXPECT_THAT(kexec_.calls, ElementsAre("now"));
}

TEST_F(FastbootCommandTest, ExecAndUnloadNeedTheCapability) {
  Loaded(true);
  machine_.tree.File("/proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"exec"}, {"exec", "--now"}, {"unload"}}) {
    EXPECT_EQ(Run(words).exit, 1);
    EXPECT_THAT(said_, ElementsAre(HasSubstr("CAP_SYS_BOOT")));
  }
  EXPECT_THAT(kexec_.calls, IsEmpty());
}

TEST_F(FastbootCommandTest, AKernelWithoutKexecIsNamedByEveryVerb) {
  machine_.tree.Remove("/sys/kernel/kexec_loaded");
  for (const char* word : {"load", "exec", "unload", "status"}) {
    EXPECT_EQ(Run({word}).exit, 1);
    EXPECT_THAT(said_, ElementsAre(HasSubstr("built without kexec"))) << word;
  }
  auto json = StatusJson();
  EXPECT_EQ(json["loaded"], false);
  EXPECT_THAT(json["error"].get<std::string>(), HasSubstr("built without kexec"));
}

TEST_F(FastbootCommandTest, ADamagedStateIsAnError) {
  Loaded(true);
  machine_.tree.File(kFastbootStatePath, "{}");
  EXPECT_EQ(Run({"status"}).exit, 1);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("no kernel_path")));
}

}  // namespace
}  // namespace hmem::arm
