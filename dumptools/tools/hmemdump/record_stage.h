// SPDX-License-Identifier: GPL-2.0-or-later
// The first-failure record: found, taken from the source, or built.
#pragma once

#include <optional>
#include <string>

#include "dumptools/capture/target/device_target.h"
#include "dumptools/walk/lazy_kernel.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/format/hmem_frame.h"
#include "hmem/source/memory_source.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::dump {

struct Record {
  v1::FirstFailure message;
  std::string bytes;

  // Of the dump that travels with it; nothing when the record names none.
  std::optional<format::DumpId> dump_id() const;
};

// True when the record is of the crash that `source` shows: release, crash time and kaslr offset
// agree with VMCOREINFO.
bool SameCrash(const v1::FirstFailure& record, const source::MemorySource& source);

struct RecordRequest {
  std::string identity_path;  // may be empty
  std::string dump_path;      // where the dump will be; empty: none follows
  format::DumpId dump_id{};
};

// Builds it from the memory of `source`, whose kernel that is; from its notes alone where the
// memory cannot be addressed, with a finding. `findings` get those of the source, too.
Result<Record> BuildRecord(const source::MemorySource& source, walk::LazyKernel& lazy_kernel,
                           const RecordRequest& request, Findings& findings);
// From serialised bytes; `where` names them in errors.
Result<Record> ParseRecord(std::span<const std::byte> bytes, const std::string& where);
Result<Record> ReadRecordFile(const std::string& path);

// The stream that the record stage of this crash left at the start of a device (or file). Nothing
// when there is none, or it is of another crash. Fails when `path` cannot be read.
Result<std::optional<capture::BegunStream>> FindOwnStream(const std::string& path,
                                                          const source::MemorySource& source);

}  // namespace hmem::dump
