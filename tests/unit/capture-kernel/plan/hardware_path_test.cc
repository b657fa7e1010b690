// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/hardware_path.h"

#include <gtest/gtest.h>

namespace hmem::plan {
namespace {

TEST(HardwarePath, DropsTheDisksOwnName) {
  EXPECT_EQ(HardwarePath("/devices/pci0000:00/0000:00:04.0/virtio1/block/vdb"),
            HardwarePath("/sys/devices/pci0000:00/0000:00:04.0/virtio0/block/vda"));
  EXPECT_EQ(HardwarePath("/devices/pci0000:00/0000:00:04.0/virtio1/block/vdb"),
            "/devices/pci0000:00/0000:00:04.0/virtio*/block");
}

TEST(HardwarePath, KeepsTargetAndLunOfScsiButNotTheHostNumber) {
  EXPECT_EQ(
      HardwarePath("/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:1/2:0:1:5/block/sda"),
      "/devices/pci0000:00/0000:00:1f.2/ata*/host*/target*:0:1/*:0:1:5/block");
}

TEST(HardwarePath, KeepsTheNamespaceOfNvme) {
  EXPECT_EQ(HardwarePath("/devices/pci0000:00/0000:00:05.0/nvme/nvme0/nvme0n2"),
            "/devices/pci0000:00/0000:00:05.0/nvme/nvme*/nvme*n2");
}

TEST(HardwarePath, TellsTwoSlotsApart) {
  EXPECT_NE(HardwarePath("/devices/pci0000:00/0000:00:04.0/virtio1/block/vda"),
            HardwarePath("/devices/pci0000:00/0000:00:05.0/virtio1/block/vda"));
}

}  // namespace
}  // namespace hmem::plan
