// SPDX-License-Identifier: GPL-2.0-or-later
// Emits a plain ELF core as /proc/vmcore shows it: notes, the kernel's own segments as the source
// claimed them, one PT_LOAD per RAM range. Program headers lie right behind the ELF header, where
// makedumpfile expects them. Zero pages are holes in a file.
#pragma once

#include <cstdint>
#include <vector>

#include "dumptools/capture/pipeline/pipeline.h"
#include "dumptools/capture/target/fd_sink.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/format/elf_core.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

// The segments of such a core: PT_NOTE first, PT_LOADs that alias RAM, then RAM in address order.
// `notes_bytes` is the size of the note stream. An alias that is not within one RAM range is left
// out, with a finding.
std::vector<format::ElfSegment> PlanElfSegments(const source::MemorySource& source, int word_bytes,
                                                uint64_t notes_bytes, Findings& findings);

// 4 when all of the source fits an ELF32 core, else 8.
int ElfWordBytes(const source::MemorySource& source);

// The whole core, address-ordered. Pages that are missing in the source become zeros, with a
// finding. A core that could not be finished is of no use to other tools: its reason is
// REASON_WRITE_ERROR or REASON_NO_SPACE with the error, or REASON_DEADLINE.
// REASON_SOURCE_CUT is finished, with zeros for what the source does not reach.
Result<CaptureOutcome> CaptureElf(const source::MemorySource& source, FdSink& sink,
                                  const PipelineOptions& options, Findings& findings);

}  // namespace hmem::capture
