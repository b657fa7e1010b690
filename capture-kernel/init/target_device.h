// SPDX-License-Identifier: GPL-2.0-or-later
// The disk that kdump-arm saw, among the ones that are here now.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "capture-kernel/plan/capture_plan.h"
#include "hmem/base/result.h"

namespace hmem::init {

// A disk or partition as sysfs shows it.
struct BlockDevice {
  std::string name;           // "vda1"; the node is /dev/<name>
  std::string hardware_path;  // of the whole disk
  uint64_t partition = 0;
  uint64_t sectors = 0;
};

// `sysfs` is "/sys" or a made tree. Virtual devices (loop, ram, dm) are left out. Unreadable ones
// too.
std::vector<BlockDevice> ListBlockDevices(const std::string& sysfs);

// What a device holds; an error when it holds nothing known or cannot be read.
using FileSystemProbe = std::function<Result<plan::FileSystemId>(const BlockDevice&)>;

struct FoundTarget {
  BlockDevice device;
  bool moved = false;  // the file system was found at another place than when armed
};

// A file system is known by its UUID, wherever it is; of two with the same UUID (a cloned disk) the
// one at the armed place. A raw device is known by its place, partition and size, and by nothing
// less. kNotFound: not here (yet). kInvalidArgument: several fit and none is the armed one.
Result<FoundTarget> FindTarget(const plan::Target& target, const std::vector<BlockDevice>& devices,
                               const FileSystemProbe& probe);

// Looks until the target is there or `deadline_ms` (uptime) is reached; woken by the kernel's
// uevents, and once a second in case one was lost. `tick` is called about once a second.
Result<FoundTarget> WaitForTarget(const plan::Target& target, uint64_t deadline_ms,
                                  const std::function<void()>& tick);

}  // namespace hmem::init
