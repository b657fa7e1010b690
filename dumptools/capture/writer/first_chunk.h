// SPDX-License-Identifier: GPL-2.0-or-later
// How an .hmem stream begins: HEADER and record as a closed, durable chunk, which is what a cut
// leaves at the least.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "dumptools/capture/pipeline/capture.h"
#include "dumptools/capture/writer/hmem_writer.h"
#include "hmem/base/result.h"
#include "hmem/format/hmem_frame.h"
#include "hmem/source/memory_source.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::capture {

struct RecordView {
  const v1::FirstFailure& message;
  std::span<const std::byte> bytes;  // the message, serialised
};

// From the system's random numbers, of which sodium_init() made sure.
format::DumpId NewDumpId();

// `tool` is the program that writes, with its version.
Status WriteFirstChunk(const source::MemorySource& source, const CaptureOptions& options,
                       const std::optional<RecordView>& record, std::string_view tool,
                       HmemWriter& writer);

}  // namespace hmem::capture
