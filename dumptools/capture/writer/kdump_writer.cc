// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/kdump_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/capture/pipeline/batch_planner.h"
#include "dumptools/capture/writer/bitmap_cursor.h"
#include "dumptools/capture/writer/dump_writer.h"
#include "dumptools/capture/writer/kdump_head.h"
#include "dumptools/capture/writer/region_cursor.h"
#include "hmem/format/kdump_header.h"

namespace hmem::capture {

using format::KdumpDescriptor;
using source::MemorySource;

namespace {

// 43,690 descriptors.
constexpr size_t kDescriptorBufferBytes = 1 << 20;
constexpr uint64_t kDataAlign = 4096;

// Calls `each(run)` for every run of pages that a capture would read.
template <typename Each>
Status ForEachPlannedRun(const MemorySource& source, const ScanFactory& scans, Each each) {
  std::unique_ptr<PageScan> scan = scans();
  BatchPlanner planner(source, *scan);
  PageBatch batch(source.page_bytes());
  while (planner.Fill(batch)) {
    for (const PageBatch::PlannedRun& run : batch.plan()) {
      if (run.read) HMEM_TRY(each(run.pages));
    }
  }
  return {};
}

// Packs page by page and places what was packed; counts up what Finish() makes good.
class KdumpPageWriter final : public DumpWriter {
 public:
  KdumpPageWriter(const KdumpHead& head, PositionedSink& sink, const KdumpOptions& options,
                  uint64_t most_descriptors)
      : head_(head),
        sink_(sink),
        options_(options),
        codec_flag_(format::KdumpCodecFlag(options.codec->name).value_or(0)),
        descriptors_left_(most_descriptors),
        descriptors_(sink, head.descriptors_offset(), kDescriptorBufferBytes),
        dumped_(sink, head.dumped_bitmap_offset()),
        zero_page_offset_(format::AlignUp(
            head.descriptors_offset() + most_descriptors * format::kKdumpDescriptorBytes,
            kDataAlign)),
        data_end_(zero_page_offset_ + head.header.block_bytes) {}

  // All in front of the first page, marked as incomplete.
  Status WriteHead(const MemorySource& source);

  bool packs() const override { return codec_flag_ != 0; }
  Status Prepare() const override {
    return codec::Prepare(*options_.codec, head_.header.block_bytes, options_.level);
  }
  Status Pack(PageBatch& batch) const override;
  Status Write(const PageBatch& batch) override;
  Status Flush() override;
  uint64_t dump_bytes() const override { return data_end_; }

  // Pages from where writing stopped on are in bitmap 2 and have no descriptor.
  Status MarkNotReached(const MemorySource& source, const ScanFactory& scans);
  // Everything durable, and then the header that says whether it is all.
  Status Finish(bool complete);

 private:
  Status PutHeader(uint32_t status);
  Status PutPage(uint64_t pfn, const KdumpDescriptor& descriptor);

  const KdumpHead& head_;
  PositionedSink& sink_;
  const KdumpOptions& options_;
  uint32_t codec_flag_;
  uint64_t descriptors_left_;
  RegionCursor descriptors_;
  BitmapCursor dumped_;
  uint64_t zero_page_offset_;
  uint64_t data_end_;
  uint64_t next_pfn_ = 0;  // behind what was written
};

Status KdumpPageWriter::PutHeader(uint32_t status) {
  format::KdumpHeader header = head_.header;
  header.status = codec_flag_ | status;
  return sink_.WriteAt(0, format::BuildKdumpHeader(header));
}

Status KdumpPageWriter::WriteHead(const MemorySource& source) {
  if (data_end_ > options_.max_bytes) {
    return Fail(ErrorCode::kLimit,
                fmt::format("{}: the limit of {} bytes is reached: headers, bitmaps and "
                            "descriptors are {}",
                            sink_.name(), options_.max_bytes, data_end_));
  }
  HMEM_TRY(sink_.Reserve(0, data_end_));
  std::vector<std::byte> sub = format::BuildKdumpSubHeader(head_.sub, head_.header);
  sub.insert(sub.end(), head_.notes.begin(), head_.notes.end());
  HMEM_TRY(sink_.WriteAt(head_.header.block_bytes, sub));
  BitmapCursor ram(sink_, head_.ram_bitmap_offset());
  const uint64_t page_bytes = head_.header.block_bytes;
  for (const PhysRange& range : source.ram()) {
    HMEM_TRY(ram.Set(range.start.value / page_bytes - head_.first_pfn,
                     range.end.value / page_bytes - head_.first_pfn));
  }
  HMEM_TRY(ram.WriteOut());
  HMEM_TRY(sink_.WriteAt(zero_page_offset_, std::vector<std::byte>(page_bytes)));
  // A device may hold an older dump: not before its bitmaps are gone is there a header again.
  HMEM_TRY(sink_.Sync());
  HMEM_TRY(PutHeader(format::kKdumpIncomplete));
  return sink_.Sync();
}

Status KdumpPageWriter::Pack(PageBatch& batch) const {
  const size_t page_bytes = batch.page_bytes();
  std::span<const std::byte> raw = batch.raw();
  if (!packs() || !batch.packs()) {
    batch.piece_bytes().assign(raw.size() / page_bytes, static_cast<uint32_t>(page_bytes));
    (void)batch.SetUnpacked(0);
    return {};
  }
  std::span<std::byte> packed = batch.packing();
  size_t at = 0;
  for (size_t start = 0; start < raw.size(); start += page_bytes) {
    auto page = raw.subspan(start, page_bytes);
    // kLimit: it would not shrink.
    Result<size_t> size =
        options_.codec->pack(page, packed.subspan(at, page_bytes - 1), options_.level);
    if (!size) {
      if (size.error().code() != ErrorCode::kLimit) return std::unexpected(size.error());
      std::copy(page.begin(), page.end(), packed.begin() + static_cast<ptrdiff_t>(at));
      size = page_bytes;
    }
    batch.piece_bytes().push_back(static_cast<uint32_t>(*size));
    at += *size;
  }
  batch.SetPacked(at);
  return {};
}

Status KdumpPageWriter::PutPage(uint64_t pfn, const KdumpDescriptor& descriptor) {
  if (descriptors_left_ == 0)
    return Fail(ErrorCode::kCorrupt, "more pages than were counted: the memory changes");
  --descriptors_left_;
  HMEM_TRY(descriptors_.Append(format::BuildKdumpDescriptor(descriptor, head_.header.endian)));
  return dumped_.Set(pfn - head_.first_pfn, pfn - head_.first_pfn + 1);
}

Status KdumpPageWriter::Write(const PageBatch& batch) {
  const uint32_t page_bytes = batch.page_bytes();
  const uint64_t bytes = batch.packed().size();
  if (bytes > options_.max_bytes - data_end_) {
    return Fail(ErrorCode::kLimit, fmt::format("{}: the limit of {} bytes is reached", sink_.name(),
                                               options_.max_bytes));
  }
  if (bytes != 0) {
    HMEM_TRY(sink_.Reserve(data_end_, bytes));
    HMEM_TRY(sink_.WriteAt(data_end_, batch.packed()));
  }
  // A descriptor is not to be on the disk before its page is.
  if (descriptors_.room() < batch.pages_to_read() * format::kKdumpDescriptorBytes)
    HMEM_TRY(Flush());
  auto piece = batch.piece_bytes().begin();
  auto put_zeros = [&](const FateOfRun& run) -> Status {
    if (run.fate != format::StoredFate::kZero) return {};
    for (uint64_t pfn = run.first_pfn; pfn < run.first_pfn + run.count; ++pfn)
      HMEM_TRY(PutPage(pfn, {.offset = zero_page_offset_, .bytes = page_bytes}));
    return {};
  };
  auto fate = batch.fates().begin();
  for (const KeptRun& run : batch.kept()) {
    for (uint64_t pfn = run.first_pfn; pfn < run.first_pfn + run.count; ++pfn, ++piece) {
      for (; fate != batch.fates().end() && fate->first_pfn < pfn; ++fate)
        HMEM_TRY(put_zeros(*fate));
      HMEM_TRY(PutPage(
          pfn,
          {.offset = data_end_, .bytes = *piece, .flags = *piece == page_bytes ? 0 : codec_flag_}));
      data_end_ += *piece;
    }
  }
  for (; fate != batch.fates().end(); ++fate) HMEM_TRY(put_zeros(*fate));
  if (!batch.plan().empty()) next_pfn_ = batch.plan().back().pages.end.value;
  return {};
}

Status KdumpPageWriter::Flush() {
  HMEM_TRY(sink_.Sync());
  HMEM_TRY(descriptors_.WriteOut());
  HMEM_TRY(dumped_.WriteOut());
  return sink_.Sync();
}

Status KdumpPageWriter::MarkNotReached(const MemorySource& source, const ScanFactory& scans) {
  return ForEachPlannedRun(source, scans, [&](PfnRange pages) -> Status {
    const uint64_t first = std::max(pages.start.value, next_pfn_);
    if (first >= pages.end.value) return {};
    return dumped_.Set(first - head_.first_pfn, pages.end.value - head_.first_pfn);
  });
}

Status KdumpPageWriter::Finish(bool complete) {
  HMEM_TRY(Flush());
  HMEM_TRY(PutHeader(complete ? 0 : format::kKdumpIncomplete));
  return sink_.Sync();
}

}  // namespace

Result<CaptureOutcome> CaptureKdump(const MemorySource& source, const ScanFactory& scans,
                                    PositionedSink& sink, const KdumpOptions& options,
                                    const PipelineOptions& pipeline, Findings& findings) {
  CaptureOutcome outcome;
  HMEM_ASSIGN(KdumpHead head, MakeKdumpHead(source, options.dump_level));
  uint64_t pages = 0;
  HMEM_TRY(Timed(outcome.times.scan, [&] {
    return ForEachPlannedRun(source, scans, [&](PfnRange run) -> Status {
      pages += run.size();
      return {};
    });
  }));
  KdumpPageWriter writer(head, sink, options, pages);
  HMEM_TRY(writer.WriteHead(source));

  std::unique_ptr<PageScan> scan = scans();
  const Tier tier{.number = 0, .scan = scan.get()};
  HMEM_TRY(RunPipeline(source, std::span(&tier, 1), writer, pipeline, outcome, findings));
  outcome.counts.missing = outcome.ram_pages - (outcome.counts.all() - outcome.counts.missing);
  if (outcome.reason == v1::DumpEnd::REASON_COMPLETE && outcome.counts.missing != 0)
    outcome.reason = v1::DumpEnd::REASON_SOURCE_CUT;
  outcome.stream_bytes = writer.dump_bytes();
  if (outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) return outcome;

  const bool complete = outcome.reason == v1::DumpEnd::REASON_COMPLETE;
  auto close = [&]() -> Status {
    if (!complete) HMEM_TRY(writer.MarkNotReached(source, scans));
    return writer.Finish(complete);
  };
  if (Status closed = Timed(outcome.times.sync, close); !closed) {
    outcome.reason = v1::DumpEnd::REASON_WRITE_ERROR;
    outcome.write_error = closed.error();
  }
  return outcome;
}

}  // namespace hmem::capture
