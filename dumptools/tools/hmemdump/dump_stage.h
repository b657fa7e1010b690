// SPDX-License-Identifier: GPL-2.0-or-later
// The stages of one run: record first, then the dump, each onto its kind of target.
#pragma once

#include <atomic>
#include <chrono>

#include "dumptools/tools/hmemdump/options.h"
#include "dumptools/tools/hmemdump/report.h"
#include "dumptools/tools/hmemdump/target.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::dump {

// Both add what the source says of itself to `findings`.

// Only the record: a file, standard output, or the first chunk of a device.
Result<DumpResult> RunRecordStage(const source::MemorySource& source, const Options& options,
                                  const Target& target, Findings& findings);

// Record (where there is none yet) and dump. `stop` ends the dump cleanly. Fails when there is
// nothing usable on the target; losses are in the result and the findings.
Result<DumpResult> RunDumpStage(const source::MemorySource& source, const Options& options,
                                const Target& target, std::chrono::steady_clock::time_point start,
                                const std::atomic<bool>& stop, Findings& findings);

}  // namespace hmem::dump
