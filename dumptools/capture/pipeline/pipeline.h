// SPDX-License-Identifier: GPL-2.0-or-later
// From scans to a writer: the owner plans and stores batches, workers read and pack them. The same
// for every format. Memory: about 2.3 MiB a batch, two a worker and two more; one where there is
// but one CPU. All of it is taken before the first page is read; where there is less, no spare
// ones, fewer workers, then no packing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dumptools/capture/filter/page_scan.h"
#include "dumptools/capture/pipeline/batch_set.h"
#include "dumptools/capture/pipeline/page_batch.h"
#include "dumptools/capture/pipeline/page_counts.h"
#include "dumptools/capture/pipeline/stage_times.h"
#include "dumptools/capture/writer/dump_writer.h"
#include "hmem/base/findings.h"
#include "hmem/source/memory_source.h"
#include "hmem/v1/dump.pb.h"

namespace hmem::capture {

struct PipelineOptions {
  unsigned jobs = 1;  // workers that read and pack; with 0, or 1 on one CPU, the owner does it
  unsigned spare_batches = BatchSet::kMostSpare;  // beside two a worker
  bool keep_zero = false;
  // The dump is to have ended by then: reading stops as much earlier as the pace so far asks for.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
  // What was written is made durable so often: a power cut loses no more.
  std::chrono::steady_clock::duration flush_every = std::chrono::steady_clock::duration::max();
  // Set from elsewhere (a signal): end the dump now, cleanly, as at a deadline.
  const std::atomic<bool>* stop = nullptr;
  // Called now and then with what was written so far.
  std::function<void(const PageCounts&, uint64_t ram_pages, uint64_t dump_bytes)> progress;
  TakeMemory take_memory = &AnonymousMemory::Take;
};

// What a run had to work with.
struct PipelineMemory {
  unsigned workers = 0;  // 0: the owner read and packed
  uint64_t batch_bytes = 0;
  uint64_t locked_bytes = 0;  // of these
};

// What was written of one tier.
struct TierCounts {
  uint32_t number = 0;
  uint64_t pages_kept = 0;
  uint64_t pages_zero = 0;
  uint64_t dump_bytes = 0;  // by which the dump grew
};

struct CaptureOutcome {
  v1::DumpEnd::Reason reason = v1::DumpEnd::REASON_UNSPECIFIED;
  PageCounts counts;  // of what was written
  uint64_t ram_pages = 0;
  uint64_t stream_bytes = 0;
  std::vector<TierCounts> tiers;  // those that were begun
  PipelineMemory memory;
  StageTimes times;
  std::optional<Error> write_error;  // REASON_WRITE_ERROR: the end is not known to be durable
};

// One pass over memory; its frames carry the number.
struct Tier {
  uint32_t number = 0;
  PageScan* scan = nullptr;
};

// Everything between the beginning and the end of a dump. The outcome's reason is
// REASON_COMPLETE when all scans were gone through. Fails only when packing does, which is our own
// fault, or with kLimit when there is no memory for one batch.
Status RunPipeline(const source::MemorySource& source, std::span<const Tier> tiers,
                   DumpWriter& writer, const PipelineOptions& options, CaptureOutcome& outcome,
                   Findings& findings);

// Why a dump ends whose target said `error`.
v1::DumpEnd::Reason ReasonOfWriteError(const Error& error);

}  // namespace hmem::capture
