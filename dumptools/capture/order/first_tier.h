// SPDX-License-Identifier: GPL-2.0-or-later
// What an analysis needs before anything else, found by walking the crashed kernel: its log, its
// image, per-CPU areas, tasks and their stacks, modules, its page tables.
#pragma once

#include <chrono>

#include "dumptools/capture/filter/pfn_runs.h"
#include "dumptools/walk/kernel.h"
#include "hmem/base/findings.h"

namespace hmem::capture {

// Adds the pages to `pages`, the most valuable first, until it is full or `until`. What is left out
// for either reason, or cannot be found, is told as a finding: a later tier has it.
void CollectFirstTier(const walk::Kernel& kernel, std::chrono::steady_clock::time_point until,
                      PfnRuns& pages, Findings& findings);

}  // namespace hmem::capture
