// SPDX-License-Identifier: GPL-2.0-or-later
// Facts about the crashed system as a whole: names, times, memory, why it stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dumptools/walk/kernel.h"

namespace hmem::walk {

struct System {
  std::string sysname, nodename, release, version, machine;  // init_uts_ns
  std::string build_id;                                      // hex, empty: unknown
  std::string banner;                                        // linux_banner
  std::string command_line;                                  // saved_command_line
  std::string boot_id;                  // random.boot_id as text, empty when it was never read
  uint64_t taints = 0;                  // tainted_mask
  std::optional<int64_t> crash_time_s;  // CRASHTIME, Unix seconds
  std::optional<uint64_t>
      uptime_ns;  // boot-time clock at the crash: timekeeper, else last log record
  uint32_t cpus_possible = 0, cpus_online = 0;
  uint64_t page_bytes = 4096;
  uint64_t ram_bytes = 0;  // sum of RAM ranges
  // Pages, from vm_zone_stat/vm_node_stat and totalram_pages; absent where the dump does not say.
  std::optional<uint64_t> total_pages, free_pages, slab_pages, anon_pages, file_pages;
};

// Pieces that cannot be read stay empty and become findings.
System ReadSystem(const Kernel& kernel, Findings& findings);

}  // namespace hmem::walk
