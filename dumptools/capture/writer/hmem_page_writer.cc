// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/hmem_page_writer.h"

#include <algorithm>
#include <limits>

namespace hmem::capture {

HmemPageWriter::HmemPageWriter(HmemWriter& writer, const codec::Codec& codec, int level)
    : writer_(writer), codec_(codec), level_(level) {
  fates_.reserve(format::kMaxFateRuns);
}

Status HmemPageWriter::Prepare() const {
  return codec::Prepare(codec_, format::kBlockRawBytes, level_);
}

Status HmemPageWriter::Pack(PageBatch& batch) const {
  batch.SetPacked(0);
  if (batch.kept().empty()) return {};
  const std::span<const std::byte> raw = batch.raw();
  format::PagesHead head;
  head.block_raw_bytes =
      std::max(static_cast<uint32_t>(format::kBlockRawBytes), batch.page_bytes());
  for (const KeptRun& run : batch.kept()) {
    head.runs.push_back(
        {.first = static_cast<uint32_t>(run.first_pfn - batch.kept().front().first_pfn),
         .count = run.count});
  }
  const size_t blocks = (raw.size() + head.block_raw_bytes - 1) / head.block_raw_bytes;
  const size_t head_bytes = format::PagesHeadSize(head.runs.size(), blocks);
  head.blocks.reserve(blocks);
  if (!packs() || !batch.packs()) {
    for (size_t start = 0; start < raw.size(); start += head.block_raw_bytes) {
      const size_t bytes = std::min<size_t>(head.block_raw_bytes, raw.size() - start);
      head.blocks.push_back({.codec = 0, .stored_bytes = static_cast<uint32_t>(bytes)});
    }
    format::EncodePagesHead(head, batch.SetUnpacked(head_bytes));
  } else {
    HMEM_ASSIGN(const size_t packed, PackBlocks(raw, batch.packing().subspan(head_bytes), head));
    format::EncodePagesHead(head, batch.packing().first(head_bytes));
    batch.SetPacked(head_bytes + packed);
  }
  batch.SetDigest(format::PayloadDigest(batch.packed()));
  return {};
}

Result<size_t> HmemPageWriter::PackBlocks(std::span<const std::byte> raw, std::span<std::byte> out,
                                          format::PagesHead& head) const {
  size_t at = 0;
  for (size_t start = 0; start < raw.size(); start += head.block_raw_bytes) {
    auto block = raw.subspan(start, std::min<size_t>(head.block_raw_bytes, raw.size() - start));
    auto room = out.subspan(at, block.size());
    format::BlockEntry entry{.codec = 0, .stored_bytes = static_cast<uint32_t>(block.size())};
    // kLimit: it would not shrink.
    Result<size_t> size = codec_.pack(block, room.first(block.size() - 1), level_);
    if (size) {
      entry = {.codec = codec_.hmem_id, .stored_bytes = static_cast<uint32_t>(*size)};
    } else if (size.error().code() != ErrorCode::kLimit) {
      return std::unexpected(size.error());
    } else {
      std::copy(block.begin(), block.end(), room.begin());
    }
    head.blocks.push_back(entry);
    at += entry.stored_bytes;
  }
  return at;
}

Status HmemPageWriter::Write(const PageBatch& batch) {
  if (batch.tier() != writer_.tier()) {
    HMEM_TRY(WriteFates());
    HMEM_TRY(writer_.BeginTier(batch.tier()));
  }
  for (const FateOfRun& run : batch.fates()) HMEM_TRY(AddFate(run));
  if (batch.kept().empty()) return {};
  HMEM_TRY(WriteFates());
  uint64_t first = batch.kept().front().first_pfn;
  uint64_t end = batch.kept().back().first_pfn + batch.kept().back().count;
  return writer_.AppendPages(first, static_cast<uint32_t>(end - first),
                             static_cast<uint32_t>(batch.raw().size()), batch.packed(),
                             batch.digest());
}

Status HmemPageWriter::AddFate(const FateOfRun& run) {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (!fates_.empty()) {
    format::FateRun& last = fates_.back();
    uint64_t start = run.first_pfn - fates_first_pfn_;
    bool in_reach = start + run.count <= kMost;
    if (in_reach && last.first + last.count == start && last.fate == run.fate &&
        last.page_class == static_cast<uint8_t>(run.page_class) &&
        last.error_number == run.error_number) {
      last.count += run.count;
      return {};
    }
    if (!in_reach || fates_.size() == format::kMaxFateRuns) HMEM_TRY(WriteFates());
  }
  if (fates_.empty()) fates_first_pfn_ = run.first_pfn;
  fates_.push_back({.first = static_cast<uint32_t>(run.first_pfn - fates_first_pfn_),
                    .count = run.count,
                    .fate = run.fate,
                    .page_class = static_cast<uint8_t>(run.page_class),
                    .error_number = run.error_number});
  return {};
}

Status HmemPageWriter::WriteFates() {
  if (fates_.empty()) return {};
  HMEM_TRY(writer_.AppendFate(fates_first_pfn_, fates_.back().first + fates_.back().count, fates_));
  fates_.clear();
  return {};
}

Status HmemPageWriter::Flush() {
  HMEM_TRY(WriteFates());
  return writer_.Flush();
}

}  // namespace hmem::capture
