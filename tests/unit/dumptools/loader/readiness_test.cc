// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::loader {
namespace {

using testing::HasSubstr;
using State = CheckItem::State;

constexpr uint64_t kMiB = 1 << 20;

KernelImage Image(bool is_signed) {
  KernelImage image;
  image.release = "6.1";
  image.is_signed = is_signed;
  return image;
}

CheckItem Lockdown(const MadeMachine& machine, bool is_signed) {
  return CheckLockdown(machine.host(), Image(is_signed), "with --kernel");
}

TEST(Readiness, WantsTheCapabilityAndNotTheUser) {
  MadeMachine machine;
  EXPECT_EQ(CheckRoot(machine.host()).state, State::kOk);
  machine.tree.File("/proc/self/status", "Name:\tx\nCapEff:\t000001ffffbfffff\n");
  EXPECT_EQ(CheckRoot(machine.host()).state, State::kFailed);
  EXPECT_THAT(CheckRoot(machine.host()).advice, HasSubstr("sudo"));
}

TEST(Readiness, RefusesRootOfAUserNamespace) {
  MadeMachine machine;
  machine.tree.File("/proc/self/uid_map", "         0     100000      65536\n");
  EXPECT_EQ(CheckRoot(machine.host()).state, State::kFailed);
  EXPECT_THAT(CheckRoot(machine.host()).advice, HasSubstr("on the host"));
}

TEST(Readiness, NamesARunningKernelWithoutKexecFileLoad) {
  MadeMachine machine;
  machine.tree.File("/boot/config-" + std::string(kMadeRelease),
                    "#\nCONFIG_CRASH_DUMP=y\n# CONFIG_KEXEC_FILE is not set\n");
  EXPECT_THAT(CheckKexec(machine.host()).text, HasSubstr("CONFIG_KEXEC_FILE"));
}

TEST(Readiness, NamesKexecLoadDisabled) {
  MadeMachine machine;
  EXPECT_EQ(CheckKexec(machine.host()).state, State::kOk);
  machine.tree.File("/proc/sys/kernel/kexec_load_disabled", "1\n");
  EXPECT_EQ(CheckKexec(machine.host()).state, State::kFailed);
  EXPECT_THAT(CheckKexec(machine.host()).text, HasSubstr("kexec_load_disabled"));
}

TEST(Readiness, NamesAUsedUpLoadLimit) {
  MadeMachine machine;
  machine.tree.File("/proc/sys/kernel/kexec_load_limit_panic", "-1\n");
  EXPECT_EQ(CheckKexec(machine.host()).state, State::kOk);
  machine.tree.File("/proc/sys/kernel/kexec_load_limit_panic", "0\n");
  EXPECT_THAT(CheckKexec(machine.host()).text, HasSubstr("kexec_load_limit_panic"));
}

TEST(Readiness, NamesAKernelWithoutCrashKexec) {
  EXPECT_EQ(CheckKexec(Host("/nonexistent")).state, State::kFailed);
}

TEST(Readiness, AKernelWithoutCrashKexecCanStillReboot) {
  MadeMachine machine;
  machine.tree.Remove("/sys/kernel/kexec_crash_loaded");
  EXPECT_EQ(CheckKexec(machine.host()).state, State::kFailed);
  EXPECT_EQ(CheckRebootKexec(machine.host()).state, State::kOk);
  machine.tree.Remove("/sys/kernel/kexec_loaded");
  CheckItem item = CheckRebootKexec(machine.host());
  EXPECT_EQ(item.state, State::kFailed);
  EXPECT_THAT(item.text, HasSubstr("built without kexec"));
}

TEST(Readiness, TheLoadsOfARebootHaveALimitOfTheirOwn) {
  MadeMachine machine;
  machine.tree.File("/proc/sys/kernel/kexec_load_limit_panic", "0\n");
  EXPECT_EQ(CheckRebootKexec(machine.host()).state, State::kOk);
  machine.tree.File("/proc/sys/kernel/kexec_load_limit_reboot", "0\n");
  EXPECT_THAT(CheckRebootKexec(machine.host()).text, HasSubstr("kexec_load_limit_reboot"));
  machine.tree.File("/proc/sys/kernel/kexec_load_disabled", "1\n");
  EXPECT_THAT(CheckRebootKexec(machine.host()).text, HasSubstr("kexec_load_disabled"));
}

TEST(Readiness, RefusesAnUnsignedKernelUnderLockdown) {
  MadeMachine machine;
  EXPECT_EQ(Lockdown(machine, false).state, State::kOk);
  machine.tree.File("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  EXPECT_EQ(Lockdown(machine, true).state, State::kOk);
  CheckItem item = Lockdown(machine, false);
  EXPECT_EQ(item.state, State::kFailed);
  EXPECT_THAT(item.text, HasSubstr("integrity"));
  EXPECT_THAT(item.advice, HasSubstr("signed kernel with --kernel"));
}

// /proc/vmcore asks lockdown nothing.
TEST(Readiness, TakesASignedKernelUnderConfidentialityToo) {
  MadeMachine machine;
  machine.tree.File("/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
  EXPECT_EQ(Lockdown(machine, true).state, State::kOk);
  EXPECT_EQ(Lockdown(machine, false).state, State::kFailed);
}

TEST(Readiness, WarnsWhenAnOopsIsNoPanic) {
  MadeMachine machine;
  EXPECT_EQ(CheckPanicOnOops(machine.host()).state, State::kOk);
  machine.tree.File("/proc/sys/kernel/panic_on_oops", "0\n");
  CheckItem item = CheckPanicOnOops(machine.host());
  EXPECT_EQ(item.state, State::kWarning);
  EXPECT_THAT(item.advice, HasSubstr("kernel.panic_on_oops = 1 into /etc/sysctl.d/90-hmem.conf"));
}

TEST(Readiness, WarnsWhenItIsNotKnownWhetherAnOopsIsAPanic) {
  CheckItem item = CheckPanicOnOops(Host("/nonexistent"));
  EXPECT_EQ(item.state, State::kWarning);
  EXPECT_THAT(item.text, HasSubstr("/proc/sys/kernel/panic_on_oops"));
}

TEST(Readiness, SaysThatSecureBootIsOn) {
  MadeMachine machine;
  machine.tree.File("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
                    std::string_view("\x06\0\0\0\x01", 5));
  EXPECT_THAT(Lockdown(machine, true).text, HasSubstr("Secure Boot is on"));
}

TEST(Readiness, NamesTheConfigOptionACaptureKernelLacks) {
  MadeMachine machine;
  EXPECT_EQ(CheckKernelConfig(machine.host(), kMadeRelease).state, State::kOk);
  machine.tree.File("/boot/config-" + std::string(kMadeRelease),
                    "#\nCONFIG_CRASH_DUMP=y\n# CONFIG_PROC_VMCORE is not set\n");
  EXPECT_THAT(CheckKernelConfig(machine.host(), kMadeRelease).text,
              HasSubstr("CONFIG_PROC_VMCORE"));
}

TEST(Readiness, AKernelConfigThatIsNotThereIsNotChecked) {
  CheckItem item = CheckKernelConfig(MadeMachine().host(), "6.9");
  EXPECT_EQ(item.state, State::kOk);
  EXPECT_EQ(item.text, "/boot/config-6.9 is not there; not checked");
}

TEST(Readiness, AKernelConfigThatCannotBeReadIsAWarning) {
  MadeMachine machine;
  machine.tree.Directory("/boot/config-6.9");
  EXPECT_EQ(CheckKernelConfig(machine.host(), "6.9").state, State::kWarning);
}

TEST(Readiness, RefusesAReservationSmallerThanTheImage) {
  MadeMachine machine;
  CheckItem item = CheckReservation(machine.host(), 160 * kMiB, 129 * kMiB);
  EXPECT_EQ(item.state, State::kFailed);
  EXPECT_THAT(item.text, HasSubstr("kernel and initramfs alone take 129 MiB"));
}

TEST(Readiness, RefusesAnImageOfMoreThanHalfOfMemory) {
  MadeMachine machine;
  machine.tree.File("/proc/meminfo", "MemTotal:  98304 kB\n");
  EXPECT_EQ(CheckMemory(machine.host(), 48 * kMiB).state, State::kOk);
  CheckItem item = CheckMemory(machine.host(), 49 * kMiB);
  EXPECT_EQ(item.state, State::kFailed);
  EXPECT_THAT(item.text, HasSubstr("at most half of the 96 MiB"));
}

TEST(Readiness, SaysWhichCrashkernelToAddWhenNothingIsReserved) {
  MadeMachine machine;
  machine.tree.File("/sys/kernel/kexec_crash_size", "0\n")
      .File("/proc/cmdline", "quiet\n")
      .File("/etc/default/grub", "");
  CheckItem item = CheckReservation(machine.host(), 128 * kMiB, 0);
  EXPECT_EQ(item.state, State::kFailed);
  EXPECT_EQ(item.advice,
            "add crashkernel=128M to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run "
            "update-grub and reboot");
}

TEST(Readiness, WarnsOfASmallReservation) {
  MadeMachine machine;
  EXPECT_EQ(CheckReservation(machine.host(), 128 * kMiB, 0).state, State::kOk);
  EXPECT_EQ(CheckReservation(machine.host(), 160 * kMiB, 0).state, State::kWarning);
}

TEST(Readiness, WarnsWhenMemoryIsLargerThanTheDisk) {
  MadeMachine machine;
  EXPECT_EQ(CheckFreeSpace(machine.host(), "/var/crash").state, State::kOk);
  machine.tree.File("/proc/meminfo", "MemTotal:  9000000000000 kB\n");
  EXPECT_EQ(CheckFreeSpace(machine.host(), "/var/crash").state, State::kWarning);
}

TEST(Readiness, FailsWhereNoFileSystemAnswers) {
  EXPECT_EQ(CheckFreeSpace(MadeMachine().host(), "/nowhere").state, State::kFailed);
}

}  // namespace
}  // namespace hmem::loader
