// SPDX-License-Identifier: GPL-2.0-or-later
// How many workers, and whether to compress, in so much memory: first spare batches are given up,
// then workers, then compression. What is counted is private memory (anonymous pages), which nobody
// can take back from a process; not the page cache, and not the old kernel's memory where it is
// mapped.
#pragma once

#include <cstdint>
#include <optional>

#include "dumptools/capture/pipeline/process_memory.h"
#include "hmem/base/findings.h"
#include "hmem/codec/codec.h"

namespace hmem::capture {

struct MemoryRequest {
  std::optional<uint64_t> limit_bytes;  // of the whole process; absent: as much as there is
  unsigned workers = 0;                 // 0: one thread does it all
  const codec::Codec* codec = nullptr;
  int level = 0;
  uint32_t page_bytes = 0;
  uint32_t block_bytes = 0;  // what is packed at a time
};

struct MemoryBudget {
  std::optional<uint64_t> limit_bytes;  // absent: neither asked for nor to be found out
  unsigned workers = 0;
  unsigned spare_batches = 0;
  bool compress = true;
  bool fits = true;           // false: this is the least, and it is more than the limit
  uint64_t needed_bytes = 0;  // what the process will hold at most
};

// Without a limit: what the process has, and half of what is available; the other half is for the
// page cache of the target and for the kernel.
std::optional<uint64_t> MemoryLimit(const ProcessMemory& now);

// What capturing with so many workers takes beside what the process holds already.
uint64_t CaptureBytes(const MemoryRequest& request, unsigned workers, bool compress,
                      unsigned spare_batches = 0);

// What was given up is told as info: no page is lost by it.
MemoryBudget DecideMemory(const MemoryRequest& request, const ProcessMemory& now,
                          Findings& findings);

}  // namespace hmem::capture
