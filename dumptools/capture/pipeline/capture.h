// SPDX-License-Identifier: GPL-2.0-or-later
// A source into an .hmem stream.
#pragma once

#include <span>

#include "dumptools/capture/pipeline/pipeline.h"
#include "dumptools/capture/writer/hmem_writer.h"
#include "hmem/base/findings.h"
#include "hmem/codec/codec.h"
#include "hmem/source/memory_source.h"
#include "hmem/v1/dump.pb.h"

namespace hmem::capture {

struct CaptureOptions {
  const codec::Codec* codec = nullptr;
  int level = 0;
  bool by_value = false;  // said in HEADER; the tiers make it so
  PipelineOptions pipeline;
};

// HEADER as the source and the options say; identity, kernel and record digest are the caller's to
// fill in.
v1::DumpHeader MakeDumpHeader(const source::MemorySource& source, const CaptureOptions& options);

// NOTES, the pages of the tiers, CHUNKs and END, behind what the writer holds already. Ends the
// stream cleanly when the target is full or time is up. END tells what the source and `findings`
// say. Fails only when packing does, which is our own fault.
Result<CaptureOutcome> CapturePages(const source::MemorySource& source, std::span<const Tier> tiers,
                                    HmemWriter& writer, const CaptureOptions& options,
                                    Findings& findings);

}  // namespace hmem::capture
