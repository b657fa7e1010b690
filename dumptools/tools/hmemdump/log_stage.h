// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel log alone. Needs VMCOREINFO and a translation of addresses; symbols, types and unwind
// tables are not touched, so that it still works where the record's builder does not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dumptools/walk/printk.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::dump {

// Oldest first. `findings` are of the log, not of the rest of the source.
Result<std::vector<walk::LogRecord>> ReadKernelLog(const source::MemorySource& source,
                                                   Findings& findings);

// As dmesg prints it. The newest whole lines where all of them are more than `max_bytes`.
std::string LogText(std::span<const walk::LogRecord> log, uint64_t max_bytes);

}  // namespace hmem::dump
