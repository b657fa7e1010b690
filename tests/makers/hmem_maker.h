// SPDX-License-Identifier: GPL-2.0-or-later
// Small .hmem dumps: a made machine of a few MiB, and streams of it as the writer makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dumptools/capture/order/scan_plan.h"
#include "dumptools/capture/pipeline/capture.h"
#include "hmem/format/hmem_frame.h"
#include "tests/fakes/fake_sink.h"
#include "tests/fakes/fake_source.h"

namespace hmem::makers {

// 2 MiB of RAM at 1 MiB and 1.5 MiB at 16 MiB with pages of four kinds (zero, text, random, a
// repeated word), VMCOREINFO and one CORE note.
void FillMachine(fakes::FakeSource& source);

struct HmemMaking {
  format::DumpId dump_id = {std::byte{1}, std::byte{2}, std::byte{3}};
  uint16_t attempt = 1;
  std::string codec = "lz4";
  unsigned jobs = 1;
  bool keep_zero = false;
  capture::TakeMemory take_memory = &AnonymousMemory::Take;
  std::string record = "a record";
  uint64_t chunk_bytes_max = 4 << 20;
  uint64_t max_bytes = ~uint64_t{0};
};

// All of RAM in address order, and END, behind what the writer holds already.
Result<capture::CaptureOutcome> CaptureWhole(const source::MemorySource& source,
                                             capture::HmemWriter& writer,
                                             const capture::CaptureOptions& options,
                                             Findings& findings);

// As hmemdump does: the kernel walked, struct pages told apart, filtered, in the order asked for.
Result<capture::CaptureOutcome> CapturePlanned(const source::MemorySource& source,
                                               const capture::ScanRequest& request,
                                               capture::DumpSink& sink, Findings& findings);

// Writes a whole stream into `sink`.
Result<capture::CaptureOutcome> MakeHmem(const source::MemorySource& source,
                                         const HmemMaking& making, capture::DumpSink& sink,
                                         Findings& findings);
// The bytes of a whole stream of `source`.
std::vector<std::byte> HmemBytes(const source::MemorySource& source, const HmemMaking& making = {});

struct FrameSpan {
  uint64_t offset = 0;
  format::FrameHeader header;
};
// Every frame of an undamaged stream.
std::vector<FrameSpan> FramesOf(std::span<const std::byte> stream);

// Puts `header` at `offset`, with the digest of the payload that lies behind it.
void Reseal(std::vector<std::byte>& stream, uint64_t offset, format::FrameHeader header);
// The stream with this END in place of its own, and nothing behind it.
std::vector<std::byte> WithEnd(std::vector<std::byte> stream, const v1::DumpEnd& end);

}  // namespace hmem::makers
