// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/target_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "tests/makers/machine_tree.h"

namespace hmem::init {
namespace {

using plan::FileSystemId;
using plan::Target;
using testing::HasSubstr;

constexpr std::string_view kArmed = "/devices/pci0000:00/0000:00:03.0/virtio*/block";
constexpr std::string_view kElsewhere = "/devices/pci0000:00/0000:00:09.0/virtio*/block";
const FileSystemId kOurs{"ext4", "11111111-0000-0000-0000-000000000000"};
const FileSystemId kOther{"ext4", "22222222-0000-0000-0000-000000000000"};

BlockDevice Device(std::string name, std::string_view path, uint64_t partition = 1,
                   uint64_t sectors = 1000) {
  return {std::move(name), std::string(path), partition, sectors};
}

Target PathTarget() {
  Target target;
  target.kind = Target::Kind::kPath;
  target.hardware_path = kArmed;
  target.partition = 1;
  target.sectors = 1000;
  target.file_system = kOurs;
  return target;
}

Target DeviceTarget() {
  Target target = PathTarget();
  target.kind = Target::Kind::kDevice;
  target.file_system = {};
  return target;
}

// A probe that finds `held[name]`.
FileSystemProbe Probe(const std::map<std::string, FileSystemId>& held) {
  return [held](const BlockDevice& device) -> Result<FileSystemId> {
    auto it = held.find(device.name);
    if (it == held.end()) return Fail(ErrorCode::kNotFound, "nothing");
    return it->second;
  };
}

TEST(FindTarget, KnowsAFileSystemByItsUuid) {
  auto found = FindTarget(PathTarget(), {Device("vda1", kArmed), Device("vdb1", kElsewhere)},
                          Probe({{"vda1", kOurs}, {"vdb1", kOther}}), Where::kAnywhere);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->device.name, "vda1");
  EXPECT_FALSE(found->moved);
}

TEST(FindTarget, FollowsAFileSystemThatMovedAndSaysSo) {
  auto found = FindTarget(PathTarget(), {Device("vda1", kArmed), Device("vdb1", kElsewhere)},
                          Probe({{"vda1", kOther}, {"vdb1", kOurs}}), Where::kAnywhere);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->device.name, "vdb1");
  EXPECT_TRUE(found->moved);
}

TEST(FindTarget, OfTwoClonesTheOneAtTheArmedPlaceIsMeant) {
  auto found = FindTarget(PathTarget(), {Device("sda1", kElsewhere), Device("vda1", kArmed)},
                          Probe({{"sda1", kOurs}, {"vda1", kOurs}}), Where::kAnywhere);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->device.name, "vda1");
}

TEST(FindTarget, AsksNoOtherDiskWhenTheOneAtTheArmedPlaceFits) {
  std::vector<std::string> asked;
  auto probe = [&](const BlockDevice& device) -> Result<FileSystemId> {
    asked.push_back(device.name);
    return kOurs;
  };
  ASSERT_TRUE(FindTarget(PathTarget(), {Device("sda1", kElsewhere), Device("vda1", kArmed)}, probe,
                         Where::kAnywhere));
  EXPECT_THAT(asked, testing::ElementsAre("vda1"));
}

TEST(FindTarget, ACloneThatCameFirstIsNotTakenAtTheArmedPlaceOnly) {
  std::vector<BlockDevice> clone = {Device("sda1", kElsewhere)};
  auto probe = Probe({{"sda1", kOurs}});
  EXPECT_EQ(FindTarget(PathTarget(), clone, probe, Where::kArmedPlace).error().code(),
            ErrorCode::kNotFound);
  EXPECT_TRUE(FindTarget(PathTarget(), clone, probe, Where::kAnywhere));
}

TEST(GuardedProbe, TellsWhatTheDeviceHolds) {
  GuardedProbe probe(Probe({{"vda1", kOurs}}), 10'000, [] {});
  EXPECT_EQ(probe(Device("vda1", kArmed)).value(), kOurs);
  EXPECT_FALSE(probe(Device("vdb1", kArmed)));
}

TEST(GuardedProbe, ADiskThatDoesNotAnswerIsGivenUpAndNotAskedAgain) {
  auto dead = [](const BlockDevice&) -> Result<FileSystemId> {
    for (;;) ::pause();
  };
  int ticks = 0;
  GuardedProbe probe(dead, 1500, [&] { ++ticks; });
  EXPECT_THAT(probe(Device("sda1", kArmed)).error().ToString(), HasSubstr("sda1: killed"));
  EXPECT_GE(ticks, 1);
  ticks = 0;
  EXPECT_THAT(probe(Device("sda1", kArmed)).error().ToString(), HasSubstr("did not answer"));
  EXPECT_EQ(ticks, 0);
}

TEST(FindTarget, RefusesTwoClonesAtOtherPlaces) {
  auto found = FindTarget(PathTarget(), {Device("sda1", kElsewhere), Device("sdb1", kElsewhere)},
                          Probe({{"sda1", kOurs}, {"sdb1", kOurs}}), Where::kAnywhere);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(found.error().ToString(), HasSubstr("sda1 and sdb1"));
}

TEST(FindTarget, IsNotFoundBeforeTheDiskComes) {
  auto found = FindTarget(PathTarget(), {}, Probe({}), Where::kAnywhere);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(found.error().ToString(), HasSubstr(kOurs.uuid));
}

TEST(FindTarget, KnowsARawDeviceByPlacePartitionAndSize) {
  EXPECT_EQ(FindTarget(DeviceTarget(), {Device("vdb", kArmed, 0), Device("vdb1", kArmed)},
                       Probe({}), Where::kAnywhere)
                ->device.name,
            "vdb1");
}

TEST(FindTarget, NeverTakesARawDeviceAtAnotherPlace) {
  EXPECT_EQ(FindTarget(DeviceTarget(), {Device("vdb1", kElsewhere)}, Probe({}), Where::kAnywhere)
                .error()
                .code(),
            ErrorCode::kNotFound);
}

TEST(FindTarget, NeverTakesARawDeviceOfAnotherSize) {
  EXPECT_EQ(
      FindTarget(DeviceTarget(), {Device("vdb1", kArmed, 1, 2000)}, Probe({}), Where::kAnywhere)
          .error()
          .code(),
      ErrorCode::kNotFound);
}

TEST(FindTarget, RefusesTwoRawDevicesThatFit) {
  EXPECT_EQ(FindTarget(DeviceTarget(), {Device("sda1", kArmed), Device("sdb1", kArmed)}, Probe({}),
                       Where::kAnywhere)
                .error()
                .code(),
            ErrorCode::kInvalidArgument);
}

TEST(ListBlockDevices, ShowsDisksAndPartitionsWithTheirHardwarePath) {
  makers::MachineTree tree;
  std::string disk = "/sys/devices/pci0000:00/0000:00:03.0/virtio7/block/vdc";
  makers::AddDisk(tree, disk, "254:0", {}, {});
  makers::AddPartition(tree, disk + "/vdc1", "254:1", {});
  auto devices = ListBlockDevices(tree.root() + "/sys");
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].name, "vdc");
  EXPECT_EQ(devices[0].partition, 0u);
  EXPECT_EQ(devices[1].name, "vdc1");
  EXPECT_EQ(devices[1].partition, 1u);
  EXPECT_EQ(devices[1].sectors, 2097152u);
  EXPECT_EQ(devices[1].hardware_path, kArmed);
}

TEST(ListBlockDevices, LeavesVirtualDevicesOut) {
  makers::MachineTree tree;
  makers::AddDisk(tree, "/sys/devices/virtual/block/loop0", "7:0", {}, {});
  EXPECT_TRUE(ListBlockDevices(tree.root() + "/sys").empty());
}

TEST(ListBlockDevices, IsEmptyWithoutSysfs) {
  EXPECT_TRUE(ListBlockDevices("/nonexistent").empty());
}

}  // namespace
}  // namespace hmem::init
