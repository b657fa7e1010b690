// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/capture/pipeline/batch_planner.h"
#include "dumptools/capture/pipeline/batch_pool.h"
#include "dumptools/capture/pipeline/page_reader.h"

namespace hmem::capture {
namespace {

using std::chrono::steady_clock;

// What a sink holds at most of what it took and has not made durable yet (fd_sink.cc).
constexpr uint64_t kBacklogBytes = 16 << 20;

class Run {
 public:
  Run(const source::MemorySource& source, DumpWriter& writer, const PipelineOptions& options,
      BatchSet batches, CaptureOutcome& outcome, Findings& findings);

  // One tier, all of which is written when it returns.
  Status Pages(const Tier& tier);
  bool stopped() const { return outcome_.reason != v1::DumpEnd::REASON_UNSPECIFIED; }

 private:
  // A single worker is busy with packing all the time, and its owner is not; several share both.
  bool OwnerReads() const { return batches_.workers() < 2; }
  void Read(PageBatch& batch) const {
    Timed(batch.times().read, [&] { ReadPages(source_, options_.keep_zero, batch); });
  }
  Status Pack(PageBatch& batch) const {
    return Timed(batch.times().pack, [&] { return writer_.Pack(batch); });
  }
  Status Finish(PageBatch& batch);
  bool TimeIsUp(size_t in_hand) const {
    if (options_.stop != nullptr && *options_.stop) return true;
    return options_.deadline && options_.now() + ClosingTime(in_hand) >= *options_.deadline;
  }
  steady_clock::duration ClosingTime(size_t in_hand) const;
  void TellOfMemory(unsigned wanted);

  const source::MemorySource& source_;
  DumpWriter& writer_;
  const PipelineOptions& options_;
  CaptureOutcome& outcome_;
  Findings& findings_;
  BatchSet batches_;
  // Of the batches with kept pages: how long reading, packing and writing took, and by how much the
  // dump grew.
  std::chrono::duration<double> writing_{0};
  uint64_t payload_bytes_ = 0;
  steady_clock::time_point flushed_ = options_.now();
  std::optional<BatchPool> pool_;  // last: its workers are gone before the batches are
};

Run::Run(const source::MemorySource& source, DumpWriter& writer, const PipelineOptions& options,
         BatchSet batches, CaptureOutcome& outcome, Findings& findings)
    : source_(source),
      writer_(writer),
      options_(options),
      outcome_(outcome),
      findings_(findings),
      batches_(std::move(batches)) {
  auto prepare = [this] { return batches_.At(0).packs() ? writer_.Prepare() : Status(); };
  const unsigned wanted = WorkersFor(options.jobs);
  // Batches may have taken what threads and packers need: fewer are tried then.
  while (batches_.workers() > 0) {
    pool_.emplace(batches_.workers(), prepare, [this, reads = !OwnerReads()](PageBatch& batch) {
      if (reads) Read(batch);
      return Pack(batch);
    });
    if (pool_->workers() == batches_.workers()) break;
    const unsigned fewer = std::max(pool_->workers(), batches_.workers() / 2);
    pool_.reset();
    batches_.Shrink(fewer);
  }
  if (!pool_ && !prepare()) batches_.At(0).GiveUpPacking();
  TellOfMemory(wanted);
}

void Run::TellOfMemory(unsigned wanted) {
  outcome_.memory = {.workers = batches_.workers(),
                     .batch_bytes = batches_.memory_bytes(),
                     .locked_bytes = batches_.locked_bytes()};
  if (batches_.workers() < wanted) {
    findings_.Add(
        Severity::kInfo, "memory.none-for-workers", "",
        fmt::format("no memory to be had for {} workers: {} instead", wanted, batches_.workers()));
  }
  if (writer_.packs() && !batches_.At(0).packs()) {
    findings_.Add(Severity::kInfo, "memory.none-for-packing", "",
                  "no memory to be had for packing: pages are stored as they are");
  }
}

// What the batches in hand, one more, and the sink's backlog will take at the pace so far.
steady_clock::duration Run::ClosingTime(size_t in_hand) const {
  if (payload_bytes_ == 0) return {};
  uint64_t bytes =
      (in_hand + 1) * format::kMaxPageBytesPerFrame + std::min(writer_.dump_bytes(), kBacklogBytes);
  return std::chrono::duration_cast<steady_clock::duration>(
      writing_ * (static_cast<double>(bytes) / static_cast<double>(payload_bytes_)));
}

Status Run::Finish(PageBatch& batch) {
  auto start = options_.now();
  if (pool_) {
    HMEM_TRY(pool_->Wait(batch));
  } else {
    HMEM_TRY(Pack(batch));
  }
  findings_.Merge(batch.findings());
  outcome_.times.read += batch.times().read;
  outcome_.times.pack += batch.times().pack;
  const uint64_t bytes_before = writer_.dump_bytes();
  Status written = Timed(outcome_.times.write, [&] { return writer_.Write(batch); });
  if (written && options_.now() - flushed_ >= options_.flush_every) {
    written = Timed(outcome_.times.sync, [&] { return writer_.Flush(); });
    flushed_ = options_.now();
  }
  if (!written) {
    outcome_.reason = ReasonOfWriteError(written.error());
    if (outcome_.reason == v1::DumpEnd::REASON_WRITE_ERROR) outcome_.write_error = written.error();
    return {};
  }
  if (!batch.kept().empty()) {
    writing_ += options_.now() - start;
    if (OwnerReads()) writing_ += batch.times().read;
    payload_bytes_ += writer_.dump_bytes() - bytes_before;
  }
  const uint64_t kept = outcome_.counts.kept, zero = outcome_.counts.zero;
  outcome_.counts.Add(batch);
  TierCounts& tier = outcome_.tiers.back();
  tier.pages_kept += outcome_.counts.kept - kept;
  tier.pages_zero += outcome_.counts.zero - zero;
  tier.dump_bytes += writer_.dump_bytes() - bytes_before;
  if (options_.progress)
    options_.progress(outcome_.counts, outcome_.ram_pages, writer_.dump_bytes());
  return {};
}

Status Run::Pages(const Tier& tier) {
  outcome_.tiers.push_back({.number = tier.number});
  BatchPlanner planner(source_, *tier.scan);
  size_t planned = 0, written = 0;  // batches
  for (bool more = true; more && !stopped();) {
    if (TimeIsUp(planned - written)) {
      outcome_.reason = v1::DumpEnd::REASON_DEADLINE;
      break;
    }
    if (planned - written == batches_.size()) HMEM_TRY(Finish(batches_.At(written++)));
    PageBatch& batch = batches_.At(planned);
    more = Timed(outcome_.times.scan, [&] { return planner.Fill(batch); });
    if (!more) break;
    batch.set_tier(tier.number);
    if (OwnerReads()) Read(batch);
    if (pool_) pool_->Submit(batch);
    ++planned;
  }
  // Batches in hand are written after the deadline too, but not behind one that found no room.
  while (written != planned && (!stopped() || outcome_.reason == v1::DumpEnd::REASON_DEADLINE)) {
    HMEM_TRY(Finish(batches_.At(written++)));
  }
  // Those given up are still a worker's.
  while (pool_ && written != planned) (void)pool_->Wait(batches_.At(written++));
  return {};
}

}  // namespace

v1::DumpEnd::Reason ReasonOfWriteError(const Error& error) {
  if (error.code() == ErrorCode::kLimit) return v1::DumpEnd::REASON_MAX_BYTES;
  return error.code() == ErrorCode::kIo && error.errno_value() == ENOSPC
             ? v1::DumpEnd::REASON_NO_SPACE
             : v1::DumpEnd::REASON_WRITE_ERROR;
}

Status RunPipeline(const source::MemorySource& source, std::span<const Tier> tiers,
                   DumpWriter& writer, const PipelineOptions& options, CaptureOutcome& outcome,
                   Findings& findings) {
  outcome.ram_pages = CountRamPages(source);
  HMEM_ASSIGN(BatchSet batches,
              BatchSet::Take(source.page_bytes(), WorkersFor(options.jobs), options.spare_batches,
                             writer.packs(), options.take_memory));
  Run run(source, writer, options, std::move(batches), outcome, findings);
  for (const Tier& tier : tiers) {
    if (run.stopped()) break;
    HMEM_TRY(run.Pages(tier));
  }
  if (!run.stopped()) outcome.reason = v1::DumpEnd::REASON_COMPLETE;
  return {};
}

}  // namespace hmem::capture
