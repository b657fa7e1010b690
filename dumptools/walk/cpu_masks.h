// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's sets of CPUs (include/linux/cpumask.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dumptools/walk/kernel.h"

namespace hmem::walk {

inline constexpr uint32_t kMaxCpus = 8192;

// CPU numbers set in a struct cpumask variable ("__cpu_online_mask"), ascending, below nr_cpu_ids
// and kMaxCpus.
Result<std::vector<uint32_t>> ReadCpuMask(const Kernel& kernel, std::string_view symbol);
// __cpu_possible_mask; when it cannot be read, with a finding, every CPU below nr_cpu_ids, and CPU
// 0 alone where that is not known either. CPUs that were online or crashed are always among them.
std::vector<uint32_t> PossibleCpus(const Kernel& kernel, Findings& findings);

}  // namespace hmem::walk
