// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/target_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <span>

#include "hmem/format/hmem_frame.h"
#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> DriversOf(const ResolvedTarget& target) {
  std::vector<std::string> names;
  for (const PathDevice& device : target.devices) names.push_back(device.driver);
  return names;
}

class TargetResolverTest : public testing::Test {
 protected:
  void Mounted(std::string_view line) { machine_.tree.File("/proc/self/mountinfo", line); }
  std::string PathRefusal(std::string_view path = "/var/crash") {
    auto target = ResolvePathTarget(machine_.host(), path);
    return target ? "" : target.error().ToString();
  }
  std::string DeviceRefusal(std::string_view path) {
    auto target = ResolveDeviceTarget(machine_.host(), path);
    return target ? "" : target.error().ToString();
  }
  // A second disk, /dev/vdb, empty.
  void AddSpareDisk() {
    const makers::DiskDriver driver[] = {
        {"/sys/devices/pci0000:00/0000:00:04.0/virtio1", "virtio_blk"}};
    makers::AddDisk(machine_.tree, kSpare, "254:16", driver, std::vector<std::byte>(4096));
  }

  static constexpr std::string_view kSpare =
      "/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vdb";
  MadeMachine machine_;
};

TEST_F(TargetResolverTest, FollowsADirectoryDownToTheDisk) {
  auto found = ResolvePathTarget(machine_.host(), "/var/crash");
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_EQ(found->device_node, "/dev/vda1");
  EXPECT_THAT(DriversOf(*found), ElementsAre("virtio_pci", "virtio_blk"));
  EXPECT_EQ(found->target.name, "/var/crash");
  EXPECT_EQ(found->target.directory, "/var/crash");
  EXPECT_EQ(found->target.hardware_path, "/devices/pci0000:00/0000:00:03.0/virtio*/block");
  EXPECT_EQ(found->target.partition, 1u);
  EXPECT_EQ(found->target.sectors, 2097152u);
  EXPECT_EQ(found->target.file_system.type, "ext4");
  EXPECT_EQ(found->target.file_system.uuid, "ab000000-0000-0000-0000-000000000000");
}

TEST_F(TargetResolverTest, TheDirectoryIsTheOneInsideTheFileSystem) {
  Mounted("21 1 254:1 /data/c /var/crash rw - ext4 /dev/vda1 rw\n");
  machine_.tree.Directory("/var/crash/deep");
  EXPECT_EQ(ResolvePathTarget(machine_.host(), "/var/crash")->target.directory, "/data/c");
  EXPECT_EQ(ResolvePathTarget(machine_.host(), "/var/crash/deep")->target.directory,
            "/data/c/deep");
  Mounted("21 1 254:1 / /var/crash rw - ext4 /dev/vda1 rw\n");
  EXPECT_EQ(ResolvePathTarget(machine_.host(), "/var/crash")->target.directory, "/");
}

TEST_F(TargetResolverTest, FollowsLinksBeforeLookingForTheMount) {
  machine_.tree.Directory("/srv/crash").Link("/crashes", "srv/crash");
  EXPECT_EQ(ResolvePathTarget(machine_.host(), "/crashes")->target.directory, "/srv/crash");
}

TEST_F(TargetResolverTest, SaysNotFoundOfAMissingDirectory) {
  EXPECT_EQ(PathRefusal("/var/none"), "/var/none: no such directory");
}

TEST_F(TargetResolverTest, RefusesAFile) {
  EXPECT_EQ(PathRefusal("/proc/cmdline"), "/proc/cmdline: not a directory");
}

TEST_F(TargetResolverTest, RefusesAReadOnlyMount) {
  Mounted("21 1 254:1 / / ro - ext4 /dev/vda1 rw\n");
  EXPECT_EQ(PathRefusal(), "/var/crash: mount /: Read-only file system");
}

TEST_F(TargetResolverTest, RefusesAFileSystemRemountedReadOnly) {
  Mounted("21 1 254:1 / / rw - ext4 /dev/vda1 ro,errors=remount-ro\n");
  EXPECT_EQ(PathRefusal(), "/var/crash: mount /: Read-only file system");
  Mounted("21 1 254:1 / / rw - ext4 /dev/vda1 rw,emergency_ro\n");
  EXPECT_EQ(PathRefusal(), "/var/crash: mount /: Read-only file system");
}

TEST_F(TargetResolverTest, RefusesAReadOnlyDiskAndAReadOnlyPartition) {
  AddSpareDisk();
  machine_.tree.File(std::string(kSpare) + "/ro", "1\n");
  EXPECT_EQ(DeviceRefusal("/dev/vdb"), "/dev/vdb: /dev/vdb: Read-only file system");
  machine_.tree.File(std::string(kMadeDisk) + "/vda1/ro", "0\n");
  EXPECT_EQ(PathRefusal(), "");
  machine_.tree.File(std::string(kMadeDisk) + "/ro", "1\n");
  EXPECT_EQ(PathRefusal(), "/var/crash: /dev/vda: Read-only file system");
}

TEST_F(TargetResolverTest, RefusesADiskThatNoHardwareDriverMade) {
  makers::AddDisk(machine_.tree, "/sys/devices/rbd/0/block/rbd0", "252:0", {}, MadeExt4());
  Mounted("21 1 252:0 / / rw - ext4 /dev/rbd0 rw\n");
  EXPECT_EQ(PathRefusal(),
            "/dev/rbd0 (a disk that no hardware driver made) under /var/crash: cannot be replayed "
            "by this version");
}

TEST_F(TargetResolverTest, TellsADriverThatIsBuiltInFromALoadedModule) {
  machine_.tree.Remove("/sys/module/virtio_pci/initstate");
  auto found = ResolvePathTarget(machine_.host(), "/var/crash");
  ASSERT_EQ(found->devices.size(), 2u);
  EXPECT_TRUE(found->devices[0].built_in);
  EXPECT_FALSE(found->devices[1].built_in);
}

TEST_F(TargetResolverTest, RefusesOtherFileSystemsByName) {
  Mounted("21 1 0:30 / / rw - btrfs /dev/vda1 rw\n");
  EXPECT_EQ(PathRefusal(),
            "/dev/vda1 on / (btrfs) under /var/crash: cannot be replayed by this version");
}

TEST_F(TargetResolverTest, RefusesDeviceMapperByName) {
  std::string dir = "/sys/devices/virtual/block/dm-0";
  makers::AddDisk(machine_.tree, dir, "253:0", {}, MadeExt4());
  machine_.tree.File(dir + "/dm/name", "x\n").File(dir + "/dm/uuid", "CRYPT-LUKS2-00\n");
  Mounted("21 1 253:0 / / rw - ext4 /dev/mapper/x rw\n");
  EXPECT_EQ(PathRefusal(),
            "/dev/mapper/x (dm-crypt) under /var/crash: cannot be replayed by this version");
  machine_.tree.File(dir + "/dm/uuid", "LVM-abc\n");
  EXPECT_THAT(PathRefusal(), HasSubstr("/dev/mapper/x (LVM)"));
}

TEST_F(TargetResolverTest, RefusesMdByLevel) {
  std::string dir = "/sys/devices/virtual/block/md0";
  makers::AddDisk(machine_.tree, dir, "9:0", {}, MadeExt4());
  machine_.tree.File(dir + "/md/level", "raid1\n");
  Mounted("21 1 9:0 / / rw - ext4 /dev/md0 rw\n");
  EXPECT_EQ(PathRefusal(),
            "/dev/md0 (md raid1) under /var/crash: cannot be replayed by this version");
}

TEST_F(TargetResolverTest, RefusesAnIscsiDisk) {
  makers::AddDisk(machine_.tree,
                  "/sys/devices/platform/host2/session1/target2:0:0/2:0:0:1/block/sda", "8:0", {},
                  MadeExt4());
  Mounted("21 1 8:0 / / rw - ext4 /dev/sda rw\n");
  EXPECT_THAT(PathRefusal(), HasSubstr("/dev/sda (iSCSI)"));
}

TEST_F(TargetResolverTest, RefusesNvmeMultipath) {
  makers::AddDisk(machine_.tree, "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
                  "259:0", {}, MadeExt4());
  Mounted("21 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n");
  EXPECT_THAT(PathRefusal(), HasSubstr("/dev/nvme0n1 (NVMe multipath)"));
}

TEST_F(TargetResolverTest, RefusesADiskThatHoldsSomethingElseThanIsMounted) {
  machine_.tree.File("/dev/vda1", std::vector<std::byte>(4096));
  EXPECT_THAT(PathRefusal(), HasSubstr("/dev/vda1: neither ext4 nor xfs"));
}

TEST_F(TargetResolverTest, TakesASpareDisk) {
  AddSpareDisk();
  auto found = ResolveDeviceTarget(machine_.host(), "/dev/vdb");
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_EQ(found->target.kind, plan::Target::Kind::kDevice);
  EXPECT_EQ(found->target.hardware_path, "/devices/pci0000:00/0000:00:04.0/virtio*/block");
  EXPECT_EQ(found->target.partition, 0u);
}

TEST_F(TargetResolverTest, RefusesWhatIsNoBlockDevice) {
  machine_.tree.File("/dev/null", "");
  EXPECT_EQ(DeviceRefusal("/dev/null"), "/dev/null: not a block device");
}

TEST_F(TargetResolverTest, RefusesADeviceThatIsNotThere) {
  EXPECT_THAT(DeviceRefusal("/dev/vdz"), HasSubstr("/dev/vdz: No such file"));
}

TEST_F(TargetResolverTest, RefusesAMountedDevice) {
  EXPECT_EQ(DeviceRefusal("/dev/vda1"), "/dev/vda1: mounted on /");
}

TEST_F(TargetResolverTest, RefusesADiskWithPartitions) {
  EXPECT_EQ(DeviceRefusal("/dev/vda"), "/dev/vda: has partitions (vda1); name one of them");
}

TEST_F(TargetResolverTest, RefusesADiskThatAnotherDeviceHolds) {
  AddSpareDisk();
  machine_.tree.Directory(std::string(kSpare) + "/holders/dm-3");
  EXPECT_EQ(DeviceRefusal("/dev/vdb"), "/dev/vdb: in use by dm-3");
}

TEST_F(TargetResolverTest, RefusesSwap) {
  AddSpareDisk();
  machine_.tree.File("/proc/swaps", "Filename Type\n/dev/vdb partition 1 0 -2\n");
  EXPECT_EQ(DeviceRefusal("/dev/vdb"), "/dev/vdb: in use as swap");
}

TEST_F(TargetResolverTest, RefusesToOverwriteWhatADeviceHolds) {
  AddSpareDisk();
  std::vector<std::byte> bytes(2 << 20);
  constexpr std::string_view kLuks = "LUKS\xba\xbe";
  std::memcpy(bytes.data(), kLuks.data(), kLuks.size());
  bytes[7] = std::byte{2};
  machine_.tree.File("/dev/vdb", bytes);
  EXPECT_EQ(DeviceRefusal("/dev/vdb"),
            "/dev/vdb: holds a signature of crypto_LUKS, and a crash would write over it; if it "
            "may go, clear it: wipefs -a /dev/vdb && dd if=/dev/zero of=/dev/vdb bs=1M count=1 "
            "conv=notrunc,fsync");
}

TEST_F(TargetResolverTest, RefusesToOverwriteDataItDoesNotKnow) {
  AddSpareDisk();
  std::vector<std::byte> bytes(2 << 20);
  bytes[900'000] = std::byte{1};
  machine_.tree.File("/dev/vdb", bytes);
  EXPECT_THAT(DeviceRefusal("/dev/vdb"), HasSubstr("/dev/vdb: holds data of an unknown kind"));
}

TEST_F(TargetResolverTest, TakesADeviceWithTheDumpOfAnEarlierCrash) {
  AddSpareDisk();
  std::vector<std::byte> bytes(2 << 20);
  format::FrameHeader header;
  header.type = format::FrameType::kHeader;
  format::EncodeFrameHeader(header, std::span(bytes).first<format::kFrameHeaderBytes>());
  bytes[900'000] = std::byte{1};
  machine_.tree.File("/dev/vdb", bytes);
  EXPECT_EQ(DeviceRefusal("/dev/vdb"), "");
}

}  // namespace
}  // namespace hmem::loader
