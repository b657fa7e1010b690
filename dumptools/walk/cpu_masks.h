// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's sets of CPUs (include/linux/cpumask.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dumptools/walk/kernel.h"

namespace hmem::walk {

// CPU numbers set in a struct cpumask variable ("__cpu_online_mask"), ascending, below nr_cpu_ids
// and 8192.
Result<std::vector<uint32_t>> ReadCpuMask(const Kernel& kernel, std::string_view symbol);
// __cpu_possible_mask; CPU 0 alone, with a finding, when it cannot be read.
std::vector<uint32_t> PossibleCpus(const Kernel& kernel, Findings& findings);

}  // namespace hmem::walk
