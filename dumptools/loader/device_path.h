// SPDX-License-Identifier: GPL-2.0-or-later
// The devices from a bus down to one device, with what drives them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dumptools/loader/host.h"

namespace hmem::loader {

struct PathDevice {
  bool bound = false;     // it has a driver
  std::string driver;     // module of that driver; empty where sysfs names none
  bool built_in = false;  // that module is part of the running kernel
  std::string modalias;   // may be empty
};

// From below /sys/devices down to `sysfs_dir` (links resolved), the bus first. Directories with
// neither driver nor modalias are left out.
std::vector<PathDevice> DevicesAlong(const Host& host, std::string_view sysfs_dir);

}  // namespace hmem::loader
