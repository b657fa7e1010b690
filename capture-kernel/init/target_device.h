// SPDX-License-Identifier: GPL-2.0-or-later
// The disk that kdump-arm saw, among the ones that are here now.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
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

enum class Where { kArmedPlace, kAnywhere };

// A file system is known by its UUID: at the armed place, or anywhere (the disk has moved, or its
// controller is numbered otherwise). The armed place is asked first, and when it fits no other disk
// is touched. A raw device is known by its place, partition and size, and by nothing less.
// kNotFound: not here (yet). kInvalidArgument: several fit and none is the armed one.
Result<FoundTarget> FindTarget(const plan::Target& target, const std::vector<BlockDevice>& devices,
                               const FileSystemProbe& probe, Where where);

// Asks `probe` in a child, because a read from a dying disk may never come back. A disk that did
// not answer in time is not asked again.
class GuardedProbe {
 public:
  GuardedProbe(FileSystemProbe probe, uint64_t deadline_ms, std::function<void()> tick)
      : probe_(std::move(probe)), deadline_ms_(deadline_ms), tick_(std::move(tick)) {}

  Result<plan::FileSystemId> operator()(const BlockDevice& device);

 private:
  FileSystemProbe probe_;
  uint64_t deadline_ms_;
  std::function<void()> tick_;
  std::set<std::string> silent_;  // names
};

// Looks until the target is there or `deadline_ms` (uptime) is reached; woken by the kernel's
// uevents, and once a second in case one was lost. In the first seconds at the armed place only: a
// clone of the disk may come before the disk. `tick` is called about once a second.
Result<FoundTarget> WaitForTarget(const plan::Target& target, uint64_t deadline_ms,
                                  const std::function<void()>& tick);

}  // namespace hmem::init
