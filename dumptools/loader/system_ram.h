// SPDX-License-Identifier: GPL-2.0-or-later
// How much memory a crash kernel that is loaded now knows of.
#pragma once

#include <cstdint>

#include "dumptools/loader/host.h"

namespace hmem::loader {

// Bytes of "System RAM" in /proc/iomem. 0: not known, because only root sees the addresses.
uint64_t SystemRamBytes(const Host& host);

// The kernel tells a loaded crash kernel of memory that comes and goes (CONFIG_CRASH_HOTPLUG, Linux
// 6.6).
bool FollowsMemoryHotplug(const Host& host);

}  // namespace hmem::loader
