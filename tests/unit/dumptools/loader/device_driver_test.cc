// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/device_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dumptools/loader/arming.h"
#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::loader {
namespace {

using plan::SourceChoice;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kFolder = "/lib/modules/" + std::string(kMadeRelease);
const std::string kDkms = kFolder + "/updates/dkms/hmem.ko";

std::vector<std::byte> Signed(std::vector<std::byte> module) {
  for (char c : std::string_view("~Module signature appended~\n"))
    module.push_back(static_cast<std::byte>(c));
  return module;
}

DeviceDriver Find(const MadeMachine& machine) {
  auto index = ModuleIndex::Open(machine.host(), kFolder);
  EXPECT_TRUE(index);
  std::string config = "/boot/config-" + std::string(kMadeRelease);
  return FindDeviceDriver(machine.host(), *index, kMadeRelease, *machine.host().Read(config));
}

TEST(DeviceDriver, MissingIsSaid) {
  DeviceDriver driver = Find(MadeMachine());
  EXPECT_FALSE(driver.usable);
  EXPECT_EQ(driver.text, "6.1.0-56-cloud-amd64 has no hmem.ko");
}

TEST(DeviceDriver, BuiltInNeedsNoFile) {
  MadeMachine machine;
  machine.tree.File(kFolder + "/modules.builtin",
                    "kernel/fs/ext4/ext4.ko\nkernel/drivers/char/hmem/hmem.ko\n");
  machine.tree.File(kDkms, MadeProgram());
  DeviceDriver driver = Find(machine);
  EXPECT_TRUE(driver.usable);
  EXPECT_THAT(driver.files, IsEmpty());
  EXPECT_EQ(driver.text, "built into 6.1.0-56-cloud-amd64");
}

TEST(DeviceDriver, IsFoundWhereDepmodSaysWithWhatItNeeds) {
  MadeMachine machine;
  machine.tree.File(kFolder + "/modules.dep",
                    "extra/hmem.ko: kernel/of.ko\nkernel/of.ko:\nkernel/virtio_blk.ko:\n");
  machine.tree.File(kFolder + "/extra/hmem.ko", MadeProgram());
  DeviceDriver driver = Find(machine);
  EXPECT_TRUE(driver.usable);
  EXPECT_THAT(driver.files, ElementsAre(kFolder + "/kernel/of.ko", kFolder + "/extra/hmem.ko"));
}

TEST(DeviceDriver, IsFoundWhereDkmsPutsItBeforeDepmodRan) {
  MadeMachine machine;
  machine.tree.File(kDkms, MadeProgram());
  DeviceDriver driver = Find(machine);
  EXPECT_TRUE(driver.usable);
  EXPECT_THAT(driver.files, ElementsAre(kDkms));
  EXPECT_EQ(driver.text, kDkms);
}

TEST(DeviceDriver, AFileThatDoesNotUnpackIsOfNoUse) {
  MadeMachine machine;
  machine.tree.File(kDkms + ".xz", MadeProgram());
  DeviceDriver driver = Find(machine);
  EXPECT_FALSE(driver.usable);
  EXPECT_THAT(driver.text, HasSubstr("hmem.ko.xz"));
}

TEST(DeviceDriver, UnsignedIsOfNoUseUnderLockdown) {
  for (std::string mode : {"integrity", "confidentiality"}) {
    MadeMachine machine;
    machine.tree.File("/sys/kernel/security/lockdown", "none [" + mode + "] other\n");
    machine.tree.File(kDkms, MadeProgram());
    DeviceDriver driver = Find(machine);
    EXPECT_FALSE(driver.usable);
    EXPECT_THAT(driver.files, IsEmpty());
    EXPECT_THAT(driver.text, testing::StartsWith(kDkms + " is not signed, and the kernel is "));
    EXPECT_THAT(driver.text, HasSubstr("locked down (" + mode + ")"));
    machine.tree.File(kDkms, Signed(MadeProgram()));
    EXPECT_TRUE(Find(machine).usable);
  }
}

TEST(DeviceDriver, UnsignedIsOfNoUseWhereSignaturesAreForced) {
  MadeMachine machine;
  machine.tree.File("/boot/config-" + std::string(kMadeRelease), "#\nCONFIG_MODULE_SIG_FORCE=y\n");
  machine.tree.File(kDkms, MadeProgram());
  EXPECT_EQ(Find(machine).text,
            kDkms + " is not signed, and 6.1.0-56-cloud-amd64 takes signed modules only");
}

TEST(CheckSource, OnlyWhoAskedForTheDeviceMissesIt) {
  DeviceDriver none{.usable = false, .files = {}, .text = "R has no hmem.ko"};
  CheckItem item = CheckSource(SourceChoice::kAuto, none);
  EXPECT_EQ(item.state, CheckItem::State::kOk);
  EXPECT_EQ(item.text, "/proc/vmcore, without /dev/hmem: R has no hmem.ko");
  item = CheckSource(SourceChoice::kHmem, none);
  EXPECT_EQ(item.state, CheckItem::State::kFailed);
  EXPECT_EQ(item.text, "no /dev/hmem: R has no hmem.ko");
  EXPECT_THAT(item.advice, HasSubstr("source = auto"));
  EXPECT_EQ(CheckSource(SourceChoice::kVmcore, none).state, CheckItem::State::kOk);
}

class PrepareSource : public testing::Test {
 protected:
  PrepareSource() { machine_.tree.File(kDkms, MadeProgram()); }

  Preparation Made(SourceChoice choice) {
    Config config;
    config.source = choice;
    return Prepare(machine_.host(), config);
  }
  static std::string Text(const Preparation& made) {
    return {reinterpret_cast<const char*>(made.initramfs.data()), made.initramfs.size()};
  }

  MadeMachine machine_;
};

TEST_F(PrepareSource, TheModuleGoesIntoTheInitramfs) {
  for (SourceChoice choice : {SourceChoice::kAuto, SourceChoice::kHmem}) {
    Preparation made = Made(choice);
    ASSERT_TRUE(made.Ready());
    EXPECT_EQ(made.source, "/dev/hmem");
    EXPECT_THAT(made.device_module_files, ElementsAre(kDkms));
    EXPECT_THAT(Text(made), HasSubstr("lib/modules/hmem.ko"));
    EXPECT_THAT(Text(made), HasSubstr("\ndevice_module = /lib/modules/hmem.ko\n"));
  }
}

TEST_F(PrepareSource, WithVmcoreItStaysOut) {
  Preparation made = Made(SourceChoice::kVmcore);
  ASSERT_TRUE(made.Ready());
  EXPECT_EQ(made.source, "/proc/vmcore");
  EXPECT_THAT(made.device_module_files, IsEmpty());
  EXPECT_EQ(Text(made).find("hmem.ko"), std::string::npos);
  EXPECT_THAT(Text(made), HasSubstr("\nsource = vmcore\n"));
}

TEST_F(PrepareSource, UnderLockdownItStaysOutAndThatIsNoFailure) {
  machine_.tree.File("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  Preparation made = Made(SourceChoice::kAuto);
  ASSERT_TRUE(made.Ready());
  EXPECT_EQ(made.source, "/proc/vmcore");
  EXPECT_EQ(Text(made).find("hmem.ko"), std::string::npos);
  EXPECT_FALSE(Made(SourceChoice::kHmem).Ready());
}

}  // namespace
}  // namespace hmem::loader
