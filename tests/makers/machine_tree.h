// SPDX-License-Identifier: GPL-2.0-or-later
// A made machine: /sys, /proc, /etc and /boot as a folder that goes away with this object.
//
//   MachineTree tree;
//   tree.File("/proc/cmdline", "console=ttyS0\n").Link("/sys/class/block/vda",
//   "../../devices/.../block/vda");
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "tests/makers/temp_file.h"

namespace hmem::makers {

class MachineTree {
 public:
  // Folders above are made. Throws std::runtime_error when the host's file system says no.
  MachineTree& File(std::string_view path, std::string_view text);
  MachineTree& File(std::string_view path, std::span<const std::byte> bytes);
  MachineTree& Directory(std::string_view path);
  MachineTree& Link(std::string_view path, std::string_view target);
  MachineTree& Remove(std::string_view path);

  bool Has(std::string_view path) const;

  // The folder that stands for "/".
  const std::string& root() const { return dir_.path(); }

 private:
  TempDir dir_;
};

// A disk at `sysfs_dir` (".../block/vda") bound to the modules of `drivers` ({device folder,
// module}), with its node in /dev holding `content`; number is "254:0".
struct DiskDriver {
  std::string_view device;  // "/sys/devices/pci0000:00/0000:00:03.0"
  std::string_view module;  // "virtio_pci"; empty: built in
};
// Binds a device to the module of its driver, which is loaded.
void AddDriver(MachineTree& tree, const DiskDriver& driver);
void AddDisk(MachineTree& tree, std::string_view sysfs_dir, std::string_view number,
             std::span<const DiskDriver> drivers, std::span<const std::byte> content);
void AddPartition(MachineTree& tree, std::string_view sysfs_dir, std::string_view number,
                  std::span<const std::byte> content);

}  // namespace hmem::makers
