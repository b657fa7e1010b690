// SPDX-License-Identifier: GPL-2.0-or-later
// A source into an .hmem stream, in address order: reader, packers, writer.
// Memory: 2.1 MiB a batch (one, or two a worker), and the writer's buffer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "dumptools/capture/pipeline/page_reader.h"
#include "dumptools/capture/writer/hmem_writer.h"
#include "hmem/base/findings.h"
#include "hmem/codec/codec.h"
#include "hmem/source/memory_source.h"
#include "hmem/v1/dump.pb.h"

namespace hmem::capture {

struct CaptureOptions {
  const codec::Codec* codec = nullptr;
  int level = 0;
  unsigned jobs = 1;
  bool keep_zero = false;
  // END is to be durable by then: reading stops as much earlier as the pace so far asks for.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // What was written is made durable so often, in whole chunks: a power cut loses no more.
  std::chrono::steady_clock::duration flush_every = std::chrono::steady_clock::duration::max();
  // Set from elsewhere (a signal): end the stream now, cleanly, as at a deadline.
  const std::atomic<bool>* stop = nullptr;
  // Called now and then with what was written so far.
  std::function<void(const PageCounts&, uint64_t ram_pages, uint64_t stream_bytes)> progress;
};

struct CaptureOutcome {
  v1::DumpEnd::Reason reason = v1::DumpEnd::REASON_UNSPECIFIED;
  PageCounts counts;  // of what was written
  uint64_t ram_pages = 0;
  uint64_t stream_bytes = 0;
  std::optional<Error> write_error;  // REASON_WRITE_ERROR: END is not known to be durable
};

// HEADER as the source and the options say; identity, kernel and record digest are the caller's to
// fill in.
v1::DumpHeader MakeDumpHeader(const source::MemorySource& source, const CaptureOptions& options);

// NOTES, every page of the source's RAM, CHUNKs and END, behind what the writer holds already. Ends
// the stream cleanly when the target is full or time is up. END tells what the source and
// `findings` say. Fails only when packing does, which is our own fault.
Result<CaptureOutcome> CapturePages(const source::MemorySource& source, HmemWriter& writer,
                                    const CaptureOptions& options, Findings& findings);

}  // namespace hmem::capture
