// SPDX-License-Identifier: GPL-2.0-or-later
// The sysfs path of a disk without the numbers that depend on the order in which drivers were
// loaded: what stays the same in the capture kernel, where other drivers are there.
#pragma once

#include <string>
#include <string_view>

namespace hmem::plan {

// `sysfs_path` is a whole disk's directory, with or without the leading "/sys":
//   /devices/pci0000:00/0000:00:04.0/virtio1/block/vdb                   ->
//   /devices/pci0000:00/0000:00:04.0/virtio*/block
//   /devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sda
//                                          ->
//                                          /devices/pci0000:00/0000:00:1f.2/ata*/host*/target*:0:0/*:0:0:0/block
//   /devices/pci0000:00/0000:00:05.0/nvme/nvme0/nvme0n1                  ->
//   /devices/pci0000:00/0000:00:05.0/nvme/nvme*/nvme*n1
std::string HardwarePath(std::string_view sysfs_path);

}  // namespace hmem::plan
