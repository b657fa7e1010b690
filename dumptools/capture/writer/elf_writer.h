// SPDX-License-Identifier: GPL-2.0-or-later
// Emits an ELF core as /proc/vmcore shows it and makedumpfile -E thins it out: notes, the kernel's
// own segments as the source claims them or its page tables show them, PT_LOADs of RAM
// (elf_layout.h). Zero pages are holes in a file. Memory: 0.1 MiB beside the pipeline's, whatever
// the machine's size: memory is scanned once to count the program headers, once to write them, and
// once for the pages.
#pragma once

#include <cstdint>

#include "dumptools/capture/filter/page_scan.h"
#include "dumptools/capture/pipeline/pipeline.h"
#include "dumptools/capture/writer/positioned_sink.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

// So many pages in a row that are left out get no room in the file.
inline constexpr uint64_t kElfGapPages = 256;

// 4 when all of the source fits an ELF32 core, else 8.
int ElfWordBytes(const source::MemorySource& source);

// The whole core, address-ordered and durable. Each scan of `scans` gives the same runs. Pages that
// the source does not have, and short stretches of excluded ones, read as zeros, with a finding.
// A core that ended early (no room, time up, `max_bytes` reached) holds the pages up to there and
// is marked in e_flags, where the target can go back to them. Fails when nothing of use was
// written.
Result<CaptureOutcome> CaptureElf(const source::MemorySource& source, const ScanFactory& scans,
                                  PositionedSink& sink, uint64_t max_bytes,
                                  const PipelineOptions& pipeline, Findings& findings);

}  // namespace hmem::capture
