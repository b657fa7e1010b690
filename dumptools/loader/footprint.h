// SPDX-License-Identifier: GPL-2.0-or-later
// How much memory a capture kernel needs: what was measured with it, and what this machine adds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hmem::loader {

// A row of capture-kernel/footprint.table, which says how it was measured.
struct MeasuredFootprint {
  std::string_view releases;  // glob(7) over releases of capture kernels
  uint64_t ram_mib = 0;       // of the machine that crashed
  uint64_t init_size_kib = 0;
  uint64_t initramfs_kib = 0;
  uint64_t smallest_mib = 0;  // crashkernel= that saved everything; a little less did not
};

// Generated from the table by the build.
std::span<const MeasuredFootprint> MeasuredFootprints();

// What the estimate depends on.
struct FootprintFacts {
  std::string release;           // of the capture kernel; empty: not known
  uint64_t init_size_bytes = 0;  // KernelImage; 0: not known
  uint64_t initramfs_bytes = 0;  // 0: not known
  uint64_t cpus = 1;             // of the capture kernel
};

struct FootprintPart {
  std::string what;
  uint64_t bytes = 0;
};

struct Footprint {
  bool measured = false;             // there is a row for this kernel
  std::vector<FootprintPart> parts;  // their sum is advised_bytes
  uint64_t advised_bytes = 0;        // crashkernel=, whole MiB
};

// The most that was measured with this kernel, or what its image says and the most that was
// measured beside an image; a larger initramfs, further CPUs and a margin on top.
Footprint EstimateFootprint(const FootprintFacts& facts,
                            std::span<const MeasuredFootprint> measured = MeasuredFootprints());

}  // namespace hmem::loader
