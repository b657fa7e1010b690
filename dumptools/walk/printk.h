// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel log ring (kernel/printk/printk_ringbuffer.[ch], 5.10+), read through VMCOREINFO
// offsets alone: works without symbols and types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/base/virt_reader.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::walk {

struct LogRecord {
  uint64_t sequence = 0;
  uint64_t time_ns = 0;    // local_clock() since boot
  uint32_t caller_id = 0;  // top bit: CPU number, else thread id; 0: not recorded
  uint8_t level = 0;       // 0 emerg ... 7 debug
  uint8_t facility = 0;
  std::string text;  // may hold newlines; not NUL-terminated in the ring
};

struct LogLimits {
  uint64_t max_records = 1 << 20;
  uint64_t max_text_bytes = 64 << 20;  // the record that reaches it is the last one read
};

// Oldest first. A record that wraps the data ring is read whole. Descriptors that were being
// written are skipped with a finding. Of a log beyond the limits the newest records are kept.
// kNotFound: VMCOREINFO has no `prb` (kernels before 5.10).
Result<std::vector<LogRecord>> ReadLog(const VirtReader& memory,
                                       const space::Vmcoreinfo& vmcoreinfo, Findings& findings,
                                       const LogLimits& limits = {});

// Where the ring lies: descriptors, infos and text.
Result<std::vector<VirtRange>> LogMemory(const VirtReader& memory,
                                         const space::Vmcoreinfo& vmcoreinfo);

}  // namespace hmem::walk
