// SPDX-License-Identifier: GPL-2.0-or-later
// From "/var/crash" or "/dev/vdb" to the disk below it, as it can be found again in the capture
// kernel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capture-kernel/plan/capture_plan.h"
#include "dumptools/loader/device_path.h"
#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::loader {

struct ResolvedTarget {
  plan::Target target;
  std::string device_node;          // "/dev/vda1"
  std::vector<PathDevice> devices;  // from the bus to the disk
};

// `path`: a directory on an ext4 or xfs file system that lies directly on a disk or a partition.
// kNotFound: no such directory. kUnsupported: what cannot be replayed (other file systems, device
// mapper, md, loop, network, a disk without a driver), by name. kIo with EROFS: mounted or
// remounted read-only, or the disk is.
Result<ResolvedTarget> ResolvePathTarget(const Host& host, std::string_view path);

// `path`: a whole disk or a partition that is blank or holds an earlier .hmem dump.
// kInvalidArgument: in use (mounted, swap, held by another device), has partitions, or holds
// anything else; the text says what, and how to clear it. kUnsupported and EROFS as above.
Result<ResolvedTarget> ResolveDeviceTarget(const Host& host, std::string_view path);

// The hardware watchdogs this machine has and the devices above them, so that the capture kernel
// can feed one too: iTCO_wdt is there only when lpc_ich or i2c_i801 has made its device. Never
// softdog, which dies with the kernel it watches.
std::vector<PathDevice> WatchdogDevices(const Host& host);

}  // namespace hmem::loader
