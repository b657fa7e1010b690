// SPDX-License-Identifier: GPL-2.0-or-later
// The first-failure record out of a crashed kernel. A piece that cannot be read is left empty and
// becomes a finding; the record itself does not fail over it. Runs in the capture kernel: needs a
// few MiB beside the kernel's own tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dumptools/firstfailure/identity.h"
#include "dumptools/walk/kernel.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

inline constexpr uint32_t kSchemaVersion = 1;
inline constexpr size_t kMaxRecordBytes = 960 << 10;

struct RecordOptions {
  ArmIdentity identity;
  std::string tool;           // "hmemdump 0.1.0"
  std::string dump_id;        // of the dump that will travel with the record; empty: none
  v1::DumpState dump;         // what is known of the dump when the record is made
  int64_t record_time_s = 0;  // wall clock, Unix seconds; 0: not known
  std::vector<v1::TimelineEvent> timeline;
  // Of text, and of records as encoded: a log of many short lines is bounded too.
  size_t log_tail_bytes = 64 << 10;
  size_t log_tail_encoded_bytes = 256 << 10;
  size_t max_blocked_tasks = 64;
  // Over this, pieces are dropped until it fits: blocked tasks, older log (down to 4 KiB), stacks
  // and registers of CPUs that did not crash, modules, then the records of the first-failure block.
  // Each drop is a finding.
  size_t max_bytes = kMaxRecordBytes;
};

// Everything the record holds. Without symbols or types the log and the CPU notes still give panic
// message, registers and first failure. `findings` gets everything met on the way and is also in
// the record. Fails only when nothing at all could be read: neither log, nor a CPU note, nor the
// kernel's name (kNotFound).
Result<v1::FirstFailure> BuildRecord(const walk::Kernel& kernel, const RecordOptions& options,
                                     Findings& findings);

// For a dump whose memory cannot be addressed (walk::Kernel::Open failed with `why`): registers out
// of the notes, release and crash time out of VMCOREINFO. kNotFound: the source has neither.
Result<v1::FirstFailure> BuildRecordFromNotes(const source::MemorySource& source, const Error& why,
                                              const RecordOptions& options, Findings& findings);

}  // namespace hmem::firstfailure
