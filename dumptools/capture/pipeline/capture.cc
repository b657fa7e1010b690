// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/capture.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "dumptools/capture/pipeline/pack_pool.h"
#include "dumptools/firstfailure/encode.h"
#include "hmem/format/elf_note.h"

namespace hmem::capture {
namespace {

using std::chrono::steady_clock;

Status WriteFates(const PageBatch& batch, HmemWriter& writer) {
  if (batch.fates().empty()) return {};
  uint64_t first = batch.fates().front().first_pfn;
  std::vector<format::FateRun> runs;
  runs.reserve(batch.fates().size());
  for (const FateOfRun& run : batch.fates()) {
    runs.push_back({.first = static_cast<uint32_t>(run.first_pfn - first),
                    .count = run.count,
                    .fate = run.fate,
                    .page_class = run.page_class,
                    .error_number = run.error_number});
  }
  return writer.AppendFate(first, runs.back().first + runs.back().count, runs);
}

// What a batch adds to the totals once it is written.
PageCounts CountsOf(const PageBatch& batch) {
  PageCounts counts;
  for (const KeptRun& run : batch.kept()) counts.kept += run.count;
  for (const FateOfRun& run : batch.fates()) {
    if (run.fate == format::StoredFate::kZero) counts.zero += run.count;
    if (run.fate == format::StoredFate::kExcluded) counts.excluded += run.count;
    if (run.fate == format::StoredFate::kUnreadable) counts.unreadable += run.count;
  }
  return counts;
}

Status WriteBatch(const PageBatch& batch, HmemWriter& writer) {
  // The fates first: a cut behind the pages then leaves nothing in between unexplained.
  HMEM_TRY(WriteFates(batch, writer));
  if (batch.kept().empty()) return {};
  uint64_t first = batch.kept().front().first_pfn;
  uint64_t end = batch.kept().back().first_pfn + batch.kept().back().count;
  return writer.AppendPages(first, static_cast<uint32_t>(end - first), batch.raw_bytes(),
                            batch.payload());
}

v1::DumpEnd::Reason ReasonOf(const Error& error) {
  if (error.code() == ErrorCode::kLimit) return v1::DumpEnd::REASON_MAX_BYTES;
  return IsOutOfRoom(error) ? v1::DumpEnd::REASON_NO_SPACE : v1::DumpEnd::REASON_WRITE_ERROR;
}

// What a sink holds at most of what it took and has not made durable yet (fd_sink.cc).
constexpr uint64_t kBacklogBytes = 16 << 20;

class Run {
 public:
  Run(const source::MemorySource& source, HmemWriter& writer, const CaptureOptions& options,
      Findings& findings)
      : options_(options), writer_(writer), reader_(source, options.keep_zero, findings) {
    // One batch needs no worker: packing in place saves the memory of a second one.
    unsigned batches = options.jobs > 1 ? 2 * options.jobs : 1;
    for (unsigned i = 0; i < batches; ++i)
      batches_.push_back(std::make_unique<PageBatch>(source.page_bytes()));
    if (options.jobs > 1) pool_.emplace(options.jobs, *options.codec, options.level);
    outcome_.ram_pages = reader_.ram_pages();
  }

  // Everything but END.
  Status Pages();
  CaptureOutcome& outcome() { return outcome_; }

 private:
  Status Finish(PageBatch& batch);
  bool TimeIsUp(size_t in_hand) const {
    if (options_.stop != nullptr && *options_.stop) return true;
    return options_.deadline && steady_clock::now() + ClosingTime(in_hand) >= *options_.deadline;
  }
  steady_clock::duration ClosingTime(size_t in_hand) const;
  bool Stopped() const { return outcome_.reason != v1::DumpEnd::REASON_UNSPECIFIED; }

  const CaptureOptions& options_;
  HmemWriter& writer_;
  PageReader reader_;
  std::vector<std::unique_ptr<PageBatch>> batches_;
  // Of the batches with kept pages: how long packing and writing took, and what came of them.
  std::chrono::duration<double> writing_{0};
  uint64_t payload_bytes_ = 0;
  std::optional<PackPool> pool_;  // last: its workers are gone before the batches are
  CaptureOutcome outcome_;
  steady_clock::time_point flushed_ = steady_clock::now();
};

// What the batches in hand, one more, and the sink's backlog will take at the pace so far.
steady_clock::duration Run::ClosingTime(size_t in_hand) const {
  if (payload_bytes_ == 0) return {};
  uint64_t bytes =
      (in_hand + 1) * format::kMaxPageBytesPerFrame + std::min(writer_.offset(), kBacklogBytes);
  return std::chrono::duration_cast<steady_clock::duration>(
      writing_ * (static_cast<double>(bytes) / static_cast<double>(payload_bytes_)));
}

Status Run::Finish(PageBatch& batch) {
  auto start = steady_clock::now();
  if (pool_) {
    HMEM_TRY(pool_->Wait(batch));
  } else {
    HMEM_TRY(batch.Pack(*options_.codec, options_.level));
  }
  Status written = WriteBatch(batch, writer_);
  if (written && steady_clock::now() - flushed_ >= options_.flush_every) {
    written = writer_.Flush();
    flushed_ = steady_clock::now();
  }
  if (!written) {
    outcome_.reason = ReasonOf(written.error());
    if (outcome_.reason == v1::DumpEnd::REASON_WRITE_ERROR) outcome_.write_error = written.error();
    return {};
  }
  if (!batch.kept().empty()) {
    writing_ += steady_clock::now() - start;
    payload_bytes_ += batch.payload().size();
  }
  PageCounts counts = CountsOf(batch);
  outcome_.counts.kept += counts.kept;
  outcome_.counts.zero += counts.zero;
  outcome_.counts.excluded += counts.excluded;
  outcome_.counts.unreadable += counts.unreadable;
  if (options_.progress) options_.progress(outcome_.counts, outcome_.ram_pages, writer_.offset());
  return {};
}

Status Run::Pages() {
  size_t read = 0, written = 0;  // batches
  bool more = true;
  while (more && !Stopped()) {
    if (TimeIsUp(read - written)) {
      outcome_.reason = v1::DumpEnd::REASON_DEADLINE;
      break;
    }
    if (read - written == batches_.size()) HMEM_TRY(Finish(*batches_[written++ % batches_.size()]));
    PageBatch& batch = *batches_[read % batches_.size()];
    more = reader_.Fill(batch);
    if (!more) break;
    if (pool_) pool_->Submit(batch);
    ++read;
  }
  // Batches in hand are written after the deadline too, but not behind one that found no room.
  while (written != read && (!Stopped() || outcome_.reason == v1::DumpEnd::REASON_DEADLINE)) {
    HMEM_TRY(Finish(*batches_[written++ % batches_.size()]));
  }
  if (!Stopped()) outcome_.reason = v1::DumpEnd::REASON_COMPLETE;
  return {};
}

}  // namespace

v1::DumpHeader MakeDumpHeader(const source::MemorySource& source, const CaptureOptions& options) {
  v1::DumpHeader header;
  header.set_format_version(format::kHmemFormatVersion);
  header.set_elf_machine(source.elf_machine());
  header.set_word_bytes(static_cast<uint32_t>(source.word_bytes()));
  header.set_big_endian(source.endian() == Endian::kBig);
  header.set_page_bytes(source.page_bytes());
  for (const PhysRange& range : source.ram()) {
    auto& out = *header.add_ram();
    out.set_start(range.start.value);
    out.set_end(range.end.value);
  }
  for (const source::VirtSegment& segment : source.virt_segments()) {
    auto& out = *header.add_virtual_segments();
    out.set_virt_start(segment.virt.start.value);
    out.set_virt_end(segment.virt.end.value);
    out.set_phys(segment.phys.value);
  }
  header.add_excluded_classes("filtered before");
  if (!options.keep_zero) header.add_excluded_classes("zero");
  header.set_codec(std::string(options.codec->name));
  header.set_chunk_digest("xxh3-128");
  header.set_order("address");
  header.set_source(std::string(source.format()));
  return header;
}

Result<CaptureOutcome> CapturePages(const source::MemorySource& source, HmemWriter& writer,
                                    const CaptureOptions& options, Findings& findings) {
  Run run(source, writer, options, findings);
  CaptureOutcome& outcome = run.outcome();
  std::vector<std::byte> notes = format::SerializeNotes(source.notes(), source.endian());
  if (Status status = writer.AppendNotes(notes); !status) {
    outcome.reason = ReasonOf(status.error());
    if (outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) outcome.write_error = status.error();
  } else {
    HMEM_TRY(run.Pages());
  }
  outcome.counts.missing = outcome.ram_pages - outcome.counts.all();
  if (outcome.reason == v1::DumpEnd::REASON_COMPLETE && outcome.counts.missing != 0)
    outcome.reason = v1::DumpEnd::REASON_SOURCE_CUT;
  outcome.stream_bytes = writer.offset();
  if (outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) return outcome;

  v1::DumpEnd end;
  end.set_reason(outcome.reason);
  end.set_pages_kept(outcome.counts.kept);
  end.set_pages_zero(outcome.counts.zero);
  end.set_pages_excluded(outcome.counts.excluded);
  end.set_pages_unreadable(outcome.counts.unreadable);
  end.set_pages_not_reached(outcome.counts.missing);
  Findings told = source.findings();
  told.Merge(findings);
  firstfailure::EncodeFindings(told, end.mutable_findings());
  if (Status status = writer.Finish(std::move(end)); !status) {
    outcome.reason = v1::DumpEnd::REASON_WRITE_ERROR;
    outcome.write_error = status.error();
  }
  outcome.stream_bytes = writer.offset();
  return outcome;
}

}  // namespace hmem::capture
