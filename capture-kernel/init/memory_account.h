// SPDX-License-Identifier: GPL-2.0-or-later
// Where the capture kernel's memory went: what was free at its start, the least that was free, what
// each child took at most.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hmem::init {

// Of /proc/meminfo, in KiB; 0 where the kernel does not tell. Source: Linux
// Documentation/filesystems/proc.rst.
struct MemoryInfo {
  uint64_t total = 0;
  uint64_t available = 0;
  uint64_t cache = 0;  // Buffers and Cached: the page cache, and the unpacked initramfs
  uint64_t anonymous = 0;
  uint64_t slab = 0;
  uint64_t stacks = 0;
  uint64_t tables = 0;
  uint64_t percpu = 0;

  bool operator==(const MemoryInfo&) const = default;
};

MemoryInfo ParseMemoryInfo(std::string_view text);
// Of this machine, now; all 0 when it cannot be read.
MemoryInfo ReadMemoryInfo();

class MemoryAccount {
 public:
  // The first call is what was there at the start; of the others the one with least available
  // counts.
  void Look(const MemoryInfo& now);
  void Peak(std::string_view process, uint64_t kib);

  // "memory in KiB: total=59392 start=40960 least=30720 initramfs=6912 cache=9728 anonymous=2048
  // ... record=5120 full=6144": `cache` and what follows it as they were at `least`, then the peak
  // resident size of each process. Empty when nothing was looked at.
  std::string Text() const;

 private:
  struct Process {
    std::string name;
    uint64_t kib;
  };
  MemoryInfo start_;
  MemoryInfo least_;
  std::vector<Process> peaks_;
};

}  // namespace hmem::init
