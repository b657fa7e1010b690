// SPDX-License-Identifier: GPL-2.0-or-later
// Emits a kdump-compressed file, version 6, as makedumpfile does. Layout:
// hmem/format/kdump_header.h. Memory: 1.2 MiB beside the pipeline's, whatever the machine's size:
// how many descriptors there may be is counted in a scan of its own, and bitmaps and descriptors
// are written as the pages are.
//
// What a cut leaves: the header says "incomplete" from the first write until the last one, the
// bitmap of what is in the file grows with the pages, and a descriptor is written after its page is
// durable. An end before all pages are there (no room, time up) is a valid file that says
// "incomplete": pages that were meant to be in it have a descriptor of zeros.
#pragma once

#include <cstdint>

#include "dumptools/capture/filter/page_scan.h"
#include "dumptools/capture/pipeline/pipeline.h"
#include "dumptools/capture/writer/positioned_sink.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/codec/codec.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

struct KdumpOptions {
  const codec::Codec* codec = nullptr;  // one that KdumpCodecFlag() knows
  int level = 0;
  uint32_t dump_level = 1;  // makedumpfile's -d, for the sub header
  // The file ends before it grows past this.
  uint64_t max_bytes = ~uint64_t{0};
};

// The whole file, durable. Each scan of `scans` gives the same runs. Pages that cannot be read are
// left out like excluded ones, with a finding. Fails when nothing of use was written: the head
// found no room, or is not possible. REASON_WRITE_ERROR: what was durable stays, marked incomplete.
Result<CaptureOutcome> CaptureKdump(const source::MemorySource& source, const ScanFactory& scans,
                                    PositionedSink& sink, const KdumpOptions& options,
                                    const PipelineOptions& pipeline, Findings& findings);

}  // namespace hmem::capture
