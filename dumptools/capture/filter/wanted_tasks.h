// SPDX-License-Identifier: GPL-2.0-or-later
// The user memory of the processes that --keep names.
#pragma once

#include <chrono>

#include "dumptools/capture/filter/pfn_runs.h"
#include "dumptools/capture/filter/wanted.h"
#include "dumptools/walk/kernel.h"
#include "hmem/base/findings.h"

namespace hmem::capture {

// Adds every user page that the page tables of the processes map, until `until`. Not found, no room
// for more, or no time: a finding.
void CollectTask(const walk::Kernel& kernel, const Wanted& wanted,
                 std::chrono::steady_clock::time_point until, PfnRuns& pages, Findings& findings);

}  // namespace hmem::capture
