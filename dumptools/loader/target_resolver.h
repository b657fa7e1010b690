// SPDX-License-Identifier: GPL-2.0-or-later
// From "/var/crash" or "/dev/vdb" to the disk below it, as it can be found again in the capture
// kernel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capture-kernel/plan/capture_plan.h"
#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::loader {

struct ResolvedTarget {
  plan::Target target;
  std::string device_node;  // "/dev/vda1"
  std::vector<std::string>
      drivers;  // modules bound along the way from the bus to the disk, the bus first
  std::vector<std::string>
      modaliases;  // of the same devices, for a capture kernel of another release
};

// `path`: a directory on an ext4 or xfs file system that lies directly on a disk or a partition.
// kNotFound: no such directory. kUnsupported: what cannot be replayed (other file systems, device
// mapper, md, loop, network), by name. kIo with EROFS: mounted read-only.
Result<ResolvedTarget> ResolvePathTarget(const Host& host, std::string_view path);

// `path`: a whole disk or a partition that is blank or holds an earlier .hmem dump.
// kInvalidArgument: in use (mounted, swap, held by another device), has partitions, or holds
// anything else; the text says what, and how to clear it.
Result<ResolvedTarget> ResolveDeviceTarget(const Host& host, std::string_view path);

// Modules of the hardware watchdogs this machine has, so that the capture kernel can feed one too;
// never softdog, which dies with the kernel it watches.
std::vector<std::string> WatchdogDrivers(const Host& host);

}  // namespace hmem::loader
