// SPDX-License-Identifier: GPL-2.0-or-later
// Lists of CPUs as /sys/devices/system/cpu has them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::plan {

// "0-2,4" -> 0, 1, 2, 4. kCorrupt: anything else, numbers that do not grow, or one past 8191.
Result<std::vector<uint64_t>> ParseCpuList(std::string_view text);

}  // namespace hmem::plan
