// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/fastboot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/fakes/fake_reboot_kexec.h"
#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kOther = "6.12.117-cloud-amd64";

// Two kernels with their initrds and modules, running the first.
class FastbootTest : public testing::Test {
 protected:
  FastbootTest() {
    machine_.tree.File("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro quiet\n");
    machine_.tree.File(Boot("initrd.img-", kMadeRelease), "initrd");
    machine_.tree.File(Boot("vmlinuz-", kOther), MadeKernel(kOther));
    machine_.tree.File(Boot("initrd.img-", kOther), "other initrd");
    machine_.tree.Directory("/lib/modules/" + std::string(kOther));
  }
  static std::string Boot(std::string_view prefix, std::string_view release) {
    return "/boot/" + std::string(prefix) + std::string(release);
  }
  FastbootPreparation Made() { return PrepareFastboot(machine_.host(), request_); }
  // "id: text: advice" of what is not ok.
  std::vector<std::string> Said() {
    std::vector<std::string> said;
    for (const CheckItem& item : Made().checks) {
      if (item.state == CheckItem::State::kOk) continue;
      EXPECT_NE(item.advice, "") << item.id;
      said.push_back(item.id + ": " + item.text + ": " + item.advice);
    }
    return said;
  }
  Result<FastbootPreparation> Load() {
    FastbootPreparation made = Made();
    HMEM_TRY(LoadFastboot(machine_.host(), made, kexec_));
    return made;
  }

  MadeMachine machine_;
  FastbootRequest request_;
  fakes::FakeRebootKexec kexec_;
};

TEST_F(FastbootTest, TheDefaultIsTheRunningKernelAgain) {
  EXPECT_THAT(Said(), IsEmpty());
  FastbootPreparation made = Made();
  EXPECT_TRUE(made.Ready());
  EXPECT_EQ(made.kernel_path, Boot("vmlinuz-", kMadeRelease));
  EXPECT_EQ(made.initrd_path, Boot("initrd.img-", kMadeRelease));
  EXPECT_EQ(made.initrd_bytes, 6u);
  EXPECT_EQ(made.command_line, "root=/dev/vda1 ro quiet");
}

TEST_F(FastbootTest, ALinkToAKernelGetsTheInitrdOfItsRelease) {
  machine_.tree.Link("/vmlinuz", Boot("vmlinuz-", kOther).substr(1));
  request_.kernel = "/vmlinuz";
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_EQ(Made().kernel_path, Boot("vmlinuz-", kOther));
  EXPECT_EQ(Made().initrd_path, Boot("initrd.img-", kOther));
}

TEST_F(FastbootTest, FindsTheInitrdByTheNamesOfOtherDistributionsToo) {
  for (const std::string& name :
       {"initramfs-" + std::string(kMadeRelease) + ".img", "initrd-" + std::string(kMadeRelease)}) {
    machine_.tree.Remove(Made().initrd_path).File("/boot/" + name, "initrd");
    EXPECT_EQ(Made().initrd_path, "/boot/" + name);
  }
}

TEST_F(FastbootTest, AKernelElsewhereMayHaveItsInitrdBesideIt) {
  machine_.tree.File("/srv/linux", MadeKernel(kOther));
  request_.kernel = "/srv/linux";
  EXPECT_EQ(Made().initrd_path, Boot("initrd.img-", kOther));
  machine_.tree.File("/srv/initrd.img-" + std::string(kOther), "nearer");
  EXPECT_EQ(Made().initrd_path, "/srv/initrd.img-" + std::string(kOther));
}

TEST_F(FastbootTest, NamesTheInitrdsItLookedFor) {
  machine_.tree.Remove(Boot("initrd.img-", kMadeRelease));
  EXPECT_THAT(Said(), ElementsAre(testing::AllOf(
                          HasSubstr("has no initrd: none of " + Boot("initrd.img-", kMadeRelease)),
                          HasSubstr("--initrd"), HasSubstr("--no-initrd"))));
  request_.no_initrd = true;
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_EQ(Made().initrd_path, "");
}

TEST_F(FastbootTest, RefusesAnInitrdThatIsNotThereIsEmptyOrAFolder) {
  machine_.tree.File("/empty", "").Directory("/folder");
  for (auto [path, why] :
       {std::pair("/nowhere", "No such file"), std::pair("/empty", "/empty: empty"),
        std::pair("/folder", "/folder: not a file")}) {
    request_.initrd = path;
    EXPECT_THAT(Said(), ElementsAre(testing::AllOf(HasSubstr("initrd: "), HasSubstr(why))));
  }
}

TEST_F(FastbootTest, RefusesWhatIsNoKernel) {
  machine_.tree.File("/text", std::string(0x2000, 'x'));
  request_.kernel = "/text";
  request_.initrd = Boot("initrd.img-", kOther);
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("kernel-image: /text: not an x86 bzImage")));
  request_.kernel = "/nowhere";
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("kernel-image: /nowhere: No such file")));
  EXPECT_FALSE(Made().Ready());
}

TEST_F(FastbootTest, RefusesAnUnsignedKernelUnderLockdown) {
  auto image = MadeKernel(kOther);
  Store<uint32_t>(image.data() + kMadeCertificateSizeOffset, 0, Endian::kLittle);
  machine_.tree.File(Boot("vmlinuz-", kOther), image);
  machine_.tree.File("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  request_.kernel = Boot("vmlinuz-", kOther);
  EXPECT_THAT(Said(), ElementsAre(testing::AllOf(HasSubstr("lockdown: "), HasSubstr("not signed"),
                                                 HasSubstr("with --kernel"))));
}

TEST_F(FastbootTest, RefusesWithoutTheCapabilityAndWhereKexecIsSwitchedOff) {
  machine_.tree.File("/proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
  machine_.tree.File("/proc/sys/kernel/kexec_load_disabled", "1\n");
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("root: "), HasSubstr("kexec_load_disabled")));
}

TEST_F(FastbootTest, AKernelWithoutModulesIsAWarning) {
  machine_.tree.Remove("/lib/modules/" + std::string(kOther));
  request_.kernel = Boot("vmlinuz-", kOther);
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("modules: /lib/modules/6.12.117-cloud-amd64")));
  EXPECT_TRUE(Made().Ready());
}

TEST_F(FastbootTest, TheCommandLineIsTheRunningOnePlusWordsOrAnother) {
  request_.append = "loglevel=4";
  EXPECT_EQ(Made().command_line, "root=/dev/vda1 ro quiet loglevel=4");
  request_.command_line = "root=/dev/vdb BOOT_IMAGE=kept";
  EXPECT_EQ(Made().command_line, "root=/dev/vdb BOOT_IMAGE=kept");
  request_.command_line = "";
  EXPECT_EQ(Made().command_line, "");
}

TEST_F(FastbootTest, TakesACommandLineAsLongAsTheKernelDoesAndNoLonger) {
  auto image = MadeKernel(kMadeRelease);
  Store<uint32_t>(image.data() + 0x238, 64, Endian::kLittle);
  machine_.tree.File(Boot("vmlinuz-", kMadeRelease), image);
  request_.command_line = std::string(63, 'x');
  EXPECT_THAT(Said(), IsEmpty());
  request_.command_line = std::string(64, 'x');
  EXPECT_THAT(Said(), ElementsAre(testing::AllOf(HasSubstr("command-line: 64 bytes"),
                                                 HasSubstr("takes 63"))));
}

TEST_F(FastbootTest, RefusesAnImageOfMoreThanHalfOfMemory) {
  machine_.tree.File("/proc/meminfo", "MemTotal:  90000 kB\n");
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("memory: ")));
}

TEST_F(FastbootTest, LoadsFromWhereTheFilesReallyAre) {
  kexec_.on_load = [this] {
    machine_.tree.File("/sys/kernel/kexec_loaded", "1\n");
    return Status();
  };
  ASSERT_TRUE(Load());
  EXPECT_EQ(kexec_.kernel, machine_.host().At(Boot("vmlinuz-", kMadeRelease)));
  EXPECT_EQ(kexec_.initrd, machine_.host().At(Boot("initrd.img-", kMadeRelease)));
  EXPECT_EQ(kexec_.command_line, "root=/dev/vda1 ro quiet");
  request_.no_initrd = true;
  ASSERT_TRUE(Load());
  EXPECT_EQ(kexec_.initrd, "");
}

TEST_F(FastbootTest, DoesNotLoadWhatIsNotReady) {
  machine_.tree.Remove(Boot("initrd.img-", kMadeRelease));
  EXPECT_EQ(Load().error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(kexec_.calls, IsEmpty());
}

TEST_F(FastbootTest, SaysWhenTheKernelTookTheImageAndDoesNotHaveIt) {
  EXPECT_THAT(Load().error().ToString(), HasSubstr("does not say that it is loaded"));
}

TEST_F(FastbootTest, AnInvalidArgumentSaysWhatItIsNot) {
  kexec_.on_load = [] { return FailErrno("kexec_file_load", EINVAL); };
  EXPECT_THAT(Load().error().ToString(), HasSubstr("these were looked for"));
  kexec_.on_load = [] { return FailErrno("kexec_file_load", EBUSY); };
  EXPECT_EQ(Load().error().errno_value(), EBUSY);
}

TEST_F(FastbootTest, AnOrderlyRebootNeedsSystemd) {
  machine_.tree.File("/proc/1/comm", "init\n");
  CheckItem item = CheckOrderlyReboot(machine_.host());
  EXPECT_EQ(item.state, CheckItem::State::kFailed);
  EXPECT_THAT(item.text, HasSubstr("the first process is init and not systemd"));
  EXPECT_THAT(item.advice, HasSubstr("--now"));
  machine_.tree.Directory("/run/systemd/system");
  EXPECT_EQ(CheckOrderlyReboot(machine_.host()).state, CheckItem::State::kOk);
}

}  // namespace
}  // namespace hmem::loader
