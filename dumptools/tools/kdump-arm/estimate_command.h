// SPDX-License-Identifier: GPL-2.0-or-later
// `kdump-arm estimate`: which crashkernel= this machine needs, why, and what is reserved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dumptools/loader/arming.h"
#include "dumptools/loader/footprint.h"
#include "dumptools/loader/host.h"

namespace hmem::arm {

struct MemoryEstimate {
  std::string kernel_release;  // of the capture kernel; empty: not known
  loader::Footprint footprint;
  uint64_t initramfs_bytes = 0;            // 0: could not be built
  std::optional<uint64_t> reserved_bytes;  // nothing: not known
  std::string advice;                      // where less is reserved than advised
  // What could not be found out, a sentence each; the estimate has usual sizes in its place.
  std::vector<std::string> unknown;
};

MemoryEstimate EstimateOf(const loader::Host& host, const loader::Preparation& preparation);

std::string EstimateText(const MemoryEstimate& estimate);
std::string EstimateJson(const MemoryEstimate& estimate);

}  // namespace hmem::arm
