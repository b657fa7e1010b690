// SPDX-License-Identifier: GPL-2.0-or-later
// /proc/self/mountinfo. Source: Linux Documentation/filesystems/proc.rst, section 3.5.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::loader {

struct Mount {
  std::string device;  // "254:1"
  std::string root;    // directory of the file system that is seen at mount_point
  std::string mount_point;
  std::string type;        // "ext4"
  std::string source;      // "/dev/vda1"
  bool read_only = false;  // by the mount or by the file system
};

// kCorrupt naming the line.
Result<std::vector<Mount>> ParseMountTable(std::string_view text);

// The mount that `path` (absolute, links resolved) lies on: the last one mounted of the longest
// that fit. Null without one.
const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path);

}  // namespace hmem::loader
