// SPDX-License-Identifier: GPL-2.0-or-later
// A source into one of the formats that other programs read: kdump-compressed and ELF, plain or
// flattened.
#pragma once

#include <cstdint>

#include "dumptools/capture/filter/page_scan.h"
#include "dumptools/capture/pipeline/dump_format.h"
#include "dumptools/capture/pipeline/pipeline.h"
#include "dumptools/capture/writer/dump_sink.h"
#include "dumptools/capture/writer/positioned_sink.h"
#include "hmem/base/findings.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

struct ExchangeOptions {
  DumpFormat format = DumpFormat::kKdump;  // not kHmem
  Compression compression;
  uint32_t dump_level = 1;            // as KdumpOptions
  uint64_t max_bytes = ~uint64_t{0};  // of the dump, of the stream when it is flattened
  PipelineOptions pipeline;
};

// `appending` and `positioned` are two faces of one target; only one of them is used. Outcome and
// failures as CaptureKdump() and CaptureElf() have them.
Result<CaptureOutcome> CaptureExchange(const source::MemorySource& source, const ScanFactory& scans,
                                       DumpSink& appending, PositionedSink& positioned,
                                       const ExchangeOptions& options, Findings& findings);

}  // namespace hmem::capture
