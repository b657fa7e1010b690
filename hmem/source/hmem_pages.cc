// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_pages.h"

#include <fmt/format.h>

#include <algorithm>

#include "hmem/codec/codec.h"

namespace hmem::source {

using format::FateRun;
using format::FrameType;
using format::PageRun;
using format::PagesHead;
using format::StoredFate;

namespace {

// A frame of 1 MiB in blocks of 64 KiB has 16; with small pages never more than 1024.
constexpr int kBlockBits = 10;

// The run that holds `page` in runs that are ascending and disjoint; `end` is brought down to where
// that ceases to be so.
template <typename Run>
const Run* FindRun(const std::vector<Run>& runs, uint64_t page, uint64_t& end) {
  auto it = std::upper_bound(runs.begin(), runs.end(), page,
                             [](uint64_t p, const Run& run) { return p < run.first; });
  if (it != runs.end()) end = std::min<uint64_t>(end, it->first);
  if (it == runs.begin()) return nullptr;
  --it;
  if (page - it->first >= it->count) return nullptr;
  end = std::min(end, uint64_t{it->first} + it->count);
  return &*it;
}

// What is wrong with a frame that the index promises: whatever the reader called it, the dump is
// damaged there and not merely cut.
Error AsDamage(Error error) {
  if (error.code() == ErrorCode::kIo || error.code() == ErrorCode::kCorrupt) return error;
  return {ErrorCode::kCorrupt, error.ToString()};
}

}  // namespace

Result<std::vector<std::byte>> UnpackBlock(const format::FrameHeader& header, const PagesHead& head,
                                           size_t block, std::span<const std::byte> stored) {
  uint64_t start = uint64_t{block} * head.block_raw_bytes;
  std::vector<std::byte> raw(std::min<uint64_t>(head.block_raw_bytes, header.raw_bytes - start));
  uint8_t codec_id = head.blocks[block].codec;
  if (codec_id == 0) {
    if (stored.size() != raw.size()) {
      return Fail(ErrorCode::kCorrupt, fmt::format("block {}: {} bytes stored raw, {} expected",
                                                   block, stored.size(), raw.size()));
    }
    std::copy(stored.begin(), stored.end(), raw.begin());
    return raw;
  }
  HMEM_ASSIGN(const codec::Codec* codec, codec::FindCodecById(codec_id));
  HMEM_TRY(Within(fmt::format("block {}", block), codec->unpack(stored, raw)));
  return raw;
}

HmemPages::HmemPages(const HmemFile& file, const HmemIndex& index)
    : file_(&file),
      index_(&index),
      payloads_(index.frames.size()),
      heads_(kHeads),
      blocks_(kBlocks) {}

Result<const HmemPages::Head*> HmemPages::HeadOf(size_t frame) const {
  if (const Head* head = heads_.Get(frame)) return head;
  const IndexedFrame& indexed = index_->frames[frame];
  if (payloads_[frame] == Payload::kBad) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: file offset {:#x}: the {} frame is damaged", file_->path(),
                            indexed.offset, format::FrameTypeName(indexed.type)));
  }
  auto head = ReadHead(frame);
  if (!head) {
    Error error = AsDamage(std::move(head).error());
    if (error.code() == ErrorCode::kCorrupt) payloads_[frame] = Payload::kBad;
    return std::unexpected(std::move(error));
  }
  payloads_[frame] = Payload::kGood;
  return heads_.Put(frame, *std::move(head));
}

Result<HmemPages::Head> HmemPages::ReadHead(size_t frame) const {
  const IndexedFrame& indexed = index_->frames[frame];
  HMEM_ASSIGN(format::FrameHeader header, file_->ReadHeader(indexed.offset));
  if (header.dump_id != index_->dump_id || header.type != indexed.type ||
      header.first_pfn != indexed.first_pfn || header.page_count != indexed.page_count) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: file offset {:#x}: not the {} frame that the index names",
                            file_->path(), indexed.offset, format::FrameTypeName(indexed.type)));
  }
  std::vector<std::byte> payload;
  if (payloads_[frame] == Payload::kGood && header.type == FrameType::kPages) {
    // The head lies in front; runs and blocks of a frame of 1 KiB pages at most.
    payload.resize(std::min<uint64_t>(header.stored_bytes, format::PagesHeadSize(1024, 1024)));
    HMEM_TRY(file_->ReadExactly(indexed.offset + format::kFrameHeaderBytes, payload));
  } else {
    HMEM_ASSIGN(payload, file_->ReadPayload({indexed.offset, header}));
  }
  Head head{.header = header, .content = {}};
  std::string place = fmt::format("{}: file offset {:#x}", file_->path(), indexed.offset);
  if (header.type == FrameType::kPages) {
    HMEM_ASSIGN(head.content, Within(place, format::DecodePagesHead(
                                                header, index_->header.page_bytes(), payload)));
  } else {
    HMEM_ASSIGN(head.content, Within(place, format::DecodeFate(header, payload)));
  }
  return head;
}

PageLocation HmemPages::Locate(Pfn pfn) const {
  const auto& frames = index_->frames;
  auto it =
      std::upper_bound(frames.begin(), frames.end(), pfn.value,
                       [](uint64_t p, const IndexedFrame& frame) { return p < frame.first_pfn; });
  // Up to here the same frames speak, with the same runs.
  uint64_t end = it != frames.end() ? it->first_pfn : ~uint64_t{0};
  PageLocation location;
  std::optional<Error> damage;
  size_t walked = 0, overlapping = 0;
  // Frames of different tiers may overlap; `reach` ends the search backwards. Bytes win over a
  // fate.
  while (it != frames.begin()) {
    --it;
    if (it->reach <= pfn.value) break;
    bool speaks = it->end_pfn() > pfn.value;
    if (++walked > kMaxWalk || (speaks && ++overlapping > kMaxOverlap)) {
      return {.fate = PageFate::kDamaged,
              .pages = std::min(end, it->reach) - pfn.value,
              .error = Error(
                  ErrorCode::kLimit,
                  fmt::format("{}: pfn {:#x}: too many frames overlap here; the last one looked at "
                              "is at file offset {:#x}",
                              file_->path(), pfn.value, it->offset))};
    }
    if (!speaks) continue;
    end = std::min(end, it->end_pfn());
    size_t frame = static_cast<size_t>(it - frames.begin());
    auto head = HeadOf(frame);
    if (!head) {
      damage = head.error();
      continue;
    }
    uint64_t page = pfn.value - it->first_pfn;
    uint64_t end_page = end - it->first_pfn;
    if (const auto* pages = std::get_if<PagesHead>(&(*head)->content)) {
      const PageRun* run = FindRun(pages->runs, page, end_page);
      end = it->first_pfn + end_page;
      if (run == nullptr) continue;
      uint64_t before = 0;
      for (const PageRun* r = pages->runs.data(); r != run; ++r) before += r->count;
      return {.fate = PageFate::kPresent,
              .pages = end - pfn.value,
              .frame = frame,
              .page_in_frame = static_cast<uint32_t>(before + page - run->first)};
    }
    const FateRun* run = FindRun(std::get<std::vector<FateRun>>((*head)->content), page, end_page);
    end = it->first_pfn + end_page;
    if (run == nullptr) continue;
    switch (run->fate) {
      case StoredFate::kZero:
        location = {.fate = PageFate::kPresent, .zero = true};
        break;
      case StoredFate::kExcluded:
        location = {.fate = PageFate::kExcluded, .page_class = run->page_class};
        break;
      case StoredFate::kUnreadable:
        location = {.fate = PageFate::kUnreadable, .error_number = run->error_number};
        break;
    }
  }
  if (location.fate == PageFate::kNotReached && damage) {
    location = {.fate = PageFate::kDamaged, .error = std::move(damage)};
  }
  location.pages = end - pfn.value;
  return location;
}

Result<std::span<const std::byte>> HmemPages::Bytes(const PageLocation& location) const {
  uint64_t page_bytes = index_->header.page_bytes();
  HMEM_ASSIGN(const Head* head, HeadOf(location.frame));
  const auto& pages = std::get<PagesHead>(head->content);
  uint64_t start = location.page_in_frame * page_bytes;
  size_t block = start / pages.block_raw_bytes;
  uint64_t key = uint64_t{location.frame} << kBlockBits | block;
  const std::vector<std::byte>* raw = blocks_.Get(key);
  if (raw == nullptr) {
    const IndexedFrame& indexed = index_->frames[location.frame];
    const format::BlockEntry& entry = pages.blocks[block];
    std::vector<std::byte> stored(entry.stored_bytes);
    HMEM_TRY(file_->ReadExactly(indexed.offset + format::kFrameHeaderBytes + entry.offset, stored));
    std::string place =
        fmt::format("{}: file offset {:#x}: PAGES frame", file_->path(), indexed.offset);
    HMEM_ASSIGN(auto unpacked, Within(place, UnpackBlock(head->header, pages, block, stored)));
    raw = blocks_.Put(key, std::move(unpacked));
  }
  return std::span(*raw).subspan(start % pages.block_raw_bytes, page_bytes);
}

}  // namespace hmem::source
