// SPDX-License-Identifier: GPL-2.0-or-later
// The first failure in the kernel log: a warning or oops long before the panic is often the real
// one.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "dumptools/walk/printk.h"

namespace hmem::firstfailure {

struct LogBlock {
  size_t begin = 0, end = 0;  // indices of records, half-open; at most 256
  std::string kind;           // FailureLine::name of the line that tells most
};

// The first block of lines that report a failure; nullopt when the log reports none. From "cut
// here" to "end trace" where the kernel marks them, else as long as the lines look like a report. A
// panic that follows at once is part of it. What userland wrote opens and closes no block.
std::optional<LogBlock> FindFirstBlock(std::span<const walk::LogRecord> log);

}  // namespace hmem::firstfailure
