// SPDX-License-Identifier: GPL-2.0-or-later
// CPUs that the capture kernel left alone when it started, brought up when the record is durable.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::init {

struct CpuStates {
  uint64_t running = 0;
  std::vector<uint64_t> waiting;  // present and not running
};

// `sysfs` is "/sys" or a made tree. kIo, kCorrupt.
Result<CpuStates> ReadCpuStates(const std::string& sysfs);

// Comes back when the CPU runs or the kernel has given it up: by itself after ten seconds, or
// never. kIo.
Status StartCpu(const std::string& sysfs, uint64_t cpu);

// Calls `start` (a CPU and the milliseconds it may take) for one waiting CPU after the other until
// `wanted` are running or `limit_ms` have passed by `clock_ms`. One that does not come up costs its
// own time alone. Returns a line for each that did not.
std::vector<std::string> StartCpus(const CpuStates& states, uint64_t wanted, uint64_t limit_ms,
                                   const std::function<Status(uint64_t, uint64_t)>& start,
                                   const std::function<uint64_t()>& clock_ms);

}  // namespace hmem::init
