// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/hmem_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

namespace hmem::capture {

using format::FrameHeader;
using format::FrameType;

namespace {

// A payload from so much on is not gathered in the buffer.
constexpr uint64_t kDirectBytes = 128 << 10;

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

uint64_t ChunkFrameBytes(size_t frames) {
  return format::kFrameHeaderBytes +
         format::AlignUp(format::kChunkHeadBytes + frames * format::kChunkEntryBytes,
                         format::kFrameAlign);
}

}  // namespace

bool IsOutOfRoom(const Error& error) {
  return error.code() == ErrorCode::kLimit ||
         (error.code() == ErrorCode::kIo && error.errno_value() == ENOSPC);
}

HmemWriter::HmemWriter(DumpSink& sink, const HmemWriterOptions& options)
    : sink_(&sink),
      options_(options),
      offset_(options.start.offset),
      reserved_until_(options.start.offset),
      next_number_(options.start.next_number) {
  options_.chunk_bytes_max = std::clamp<uint64_t>(
      options_.chunk_bytes_max, 2 * format::kMaxPayloadBytes, format::kMaxChunkBytes);
  buffer_.reserve(kWriteBytes);
  chunk_.number = options.start.next_chunk;
  chunk_.offset = offset_;
  chunk_.previous = options.start.last_chunk_offset;
  chunk_.entries.reserve(format::kMaxFramesPerChunk);
}

StreamPosition HmemWriter::position() const {
  return {.offset = offset_,
          .next_number = next_number_,
          .next_chunk = chunk_.number,
          .last_chunk_offset = chunk_.previous};
}

Status HmemWriter::AppendHeader(const v1::DumpHeader& header) {
  std::string bytes = header.SerializeAsString();
  return Append({.type = FrameType::kHeader}, AsBytes(bytes));
}

Status HmemWriter::AppendFirstFailure(std::span<const std::byte> record) {
  return Append({.type = FrameType::kFirstFailure}, record);
}

Status HmemWriter::AppendNotes(std::span<const std::byte> notes) {
  while (!notes.empty()) {
    auto piece = notes.first(std::min<size_t>(notes.size(), format::kMaxPayloadBytes));
    HMEM_TRY(Append({.type = FrameType::kNotes}, piece));
    notes = notes.subspan(piece.size());
  }
  return {};
}

Status HmemWriter::AppendPages(uint64_t first_pfn, uint32_t page_count, uint32_t raw_bytes,
                               std::span<const std::byte> payload, uint64_t payload_xxh3) {
  HMEM_TRY(AppendFrame({.type = FrameType::kPages,
                        .first_pfn = first_pfn,
                        .payload_xxh3 = payload_xxh3,
                        .raw_bytes = raw_bytes,
                        .page_count = page_count},
                       payload));
  raw_bytes_ += raw_bytes;
  return {};
}

Status HmemWriter::AppendFate(uint64_t first_pfn, uint32_t page_count,
                              std::span<const format::FateRun> runs) {
  return Append({.type = FrameType::kFate, .first_pfn = first_pfn, .page_count = page_count},
                format::EncodeFate(runs));
}

Status HmemWriter::Append(FrameHeader header, std::span<const std::byte> payload) {
  header.payload_xxh3 = format::PayloadDigest(payload);
  return AppendFrame(header, payload);
}

Status HmemWriter::AppendFrame(const FrameHeader& header, std::span<const std::byte> payload) {
  if (payload.size() > format::kMaxPayloadBytes) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} frame of {} bytes, at most {}", format::FrameTypeName(header.type),
                            payload.size(), format::kMaxPayloadBytes));
  }
  if (failed_) return std::unexpected(*failed_);
  uint64_t total = format::kFrameHeaderBytes + format::AlignUp(payload.size(), format::kFrameAlign);
  HMEM_TRY(MakeRoom(total));
  // A PAD may close the chunk too: one entry and 4 KiB stay free for it.
  if (offset_ - chunk_.offset + total + format::kFlushAlign > options_.chunk_bytes_max ||
      chunk_.entries.size() + 1 >= format::kMaxFramesPerChunk) {
    HMEM_TRY(CloseChunk());
  }
  return Emit(header, payload);
}

Status HmemWriter::MakeRoom(uint64_t bytes) {
  uint64_t wanted = offset_ + bytes + kClosingBytes;
  if (wanted > options_.max_bytes) {
    return Fail(ErrorCode::kLimit, fmt::format("{}: the limit of {} bytes is reached",
                                               sink_->name(), options_.max_bytes));
  }
  if (wanted <= reserved_until_) return {};
  // A chunk ahead, so that the target is asked rarely; when that much is not there, just what is
  // needed.
  uint64_t ahead = std::min(offset_ + options_.chunk_bytes_max + kClosingBytes, options_.max_bytes);
  uint64_t appended = offset_ - buffer_.size();
  if (ahead > wanted && sink_->Reserve(ahead - appended)) {
    reserved_until_ = ahead;
    return {};
  }
  HMEM_TRY(sink_->Reserve(wanted - appended));
  reserved_until_ = wanted;
  return {};
}

Status HmemWriter::CloseChunk() {
  if (chunk_.entries.empty()) return {};
  chunk_.bytes = offset_ - chunk_.offset;
  chunk_.digest = digest_.Finish();
  std::vector<std::byte> payload = format::EncodeChunk(chunk_);
  uint64_t at = offset_;
  HMEM_TRY(
      Emit({.type = FrameType::kChunk, .payload_xxh3 = format::PayloadDigest(payload)}, payload));
  chunk_.number += 1;
  chunk_.offset = offset_;
  chunk_.previous = at;
  chunk_.entries.clear();
  digest_.Reset();
  return {};
}

Status HmemWriter::BeginTier(uint32_t tier) {
  if (failed_) return std::unexpected(*failed_);
  if (tier != chunk_.tier) HMEM_TRY(CloseChunk());
  chunk_.tier = tier;
  return {};
}

Status HmemWriter::Pad(uint64_t bytes_behind) {
  uint64_t gap = format::kFlushAlign - (offset_ + bytes_behind) % format::kFlushAlign;
  std::vector<std::byte> zeros(gap - format::kFrameHeaderBytes);
  return Emit({.type = FrameType::kPad, .payload_xxh3 = format::PayloadDigest(zeros)}, zeros);
}

Status HmemWriter::Emit(FrameHeader header, std::span<const std::byte> payload) {
  header.dump_id = options_.dump_id;
  header.sequence = format::MakeSequence(options_.attempt, next_number_);
  header.stored_bytes = static_cast<uint32_t>(payload.size());
  if (header.type != FrameType::kPages) header.raw_bytes = header.stored_bytes;
  std::array<std::byte, format::kFrameHeaderBytes> encoded;
  format::EncodeFrameHeader(header, encoded);
  if (header.type != FrameType::kChunk) {
    chunk_.entries.push_back({.offset = static_cast<uint32_t>(offset_ - chunk_.offset),
                              .type = header.type,
                              .flags = header.flags,
                              .first_pfn = header.first_pfn,
                              .page_count = header.page_count,
                              .stored_bytes = header.stored_bytes,
                              .raw_bytes = header.raw_bytes});
  }
  static constexpr std::array<std::byte, format::kFrameAlign> kZeros{};
  HMEM_TRY(Put(encoded));
  HMEM_TRY(Put(payload));
  HMEM_TRY(Put(std::span(kZeros).first(format::AlignUp(payload.size(), format::kFrameAlign) -
                                       payload.size())));
  ++next_number_;
  stored_bytes_ += payload.size();
  return {};
}

Status HmemWriter::Put(std::span<const std::byte> bytes) {
  digest_.Update(bytes);
  offset_ += bytes.size();
  while (!bytes.empty()) {
    const bool direct = bytes.size() >= kDirectBytes;
    const uint64_t past = (offset_ - bytes.size()) % format::kFlushAlign;
    if (direct && past == 0) {
      HMEM_TRY(WriteOut());
      auto whole = bytes.first(bytes.size() / format::kFlushAlign * format::kFlushAlign);
      HMEM_TRY(Checked(sink_->Append(whole)));
      bytes = bytes.subspan(whole.size());
      continue;
    }
    uint64_t room = kWriteBytes - buffer_.size();
    if (direct) room = std::min(room, format::kFlushAlign - past);
    auto piece = bytes.first(std::min<size_t>(bytes.size(), room));
    buffer_.insert(buffer_.end(), piece.begin(), piece.end());
    bytes = bytes.subspan(piece.size());
    if (buffer_.size() == kWriteBytes) HMEM_TRY(WriteOut());
  }
  return {};
}

Status HmemWriter::WriteOut() {
  if (buffer_.empty()) return {};
  HMEM_TRY(Checked(sink_->Append(buffer_)));
  buffer_.clear();
  return {};
}

Status HmemWriter::Flush() {
  if (failed_) return std::unexpected(*failed_);
  if (size_t frames = chunk_.entries.size(); frames != 0) {
    // The PAD is a frame of this chunk, so it makes the CHUNK longer, too.
    if ((offset_ + ChunkFrameBytes(frames)) % format::kFlushAlign != 0)
      HMEM_TRY(Pad(ChunkFrameBytes(frames + 1)));
    HMEM_TRY(CloseChunk());
  }
  HMEM_TRY(WriteOut());
  return Checked(sink_->Sync());
}

Status HmemWriter::Checked(Status status) {
  if (!status && !failed_) failed_ = status.error();
  return status;
}

Status HmemWriter::Finish(v1::DumpEnd end) {
  HMEM_TRY(Flush());
  end.set_frames(next_number_ + 1);
  end.set_chunks(chunk_.number);
  end.set_last_chunk_offset(chunk_.previous);
  end.set_raw_bytes(raw_bytes_);
  end.set_stored_bytes(stored_bytes_);
  if (end.ByteSizeLong() > kMaxEndBytes) end.clear_findings();
  std::string bytes = end.SerializeAsString();
  HMEM_TRY(Emit({.type = FrameType::kEnd, .payload_xxh3 = format::PayloadDigest(AsBytes(bytes))},
                AsBytes(bytes)));
  if (offset_ % format::kFlushAlign != 0) HMEM_TRY(Pad(0));
  HMEM_TRY(WriteOut());
  return Checked(sink_->Sync());
}

}  // namespace hmem::capture
