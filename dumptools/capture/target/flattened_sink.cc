// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/flattened_sink.h"

#include <fmt/format.h>

#include <algorithm>

#include "hmem/base/address.h"
#include "hmem/format/flattened.h"

namespace hmem::capture {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
// Room kept for the heads of records beyond those that were asked for.
constexpr uint64_t kHeadRoomBytes = 64 << 10;

}  // namespace

FlattenedSink::FlattenedSink(DumpSink& out, uint64_t max_bytes) : out_(out), max_bytes_(max_bytes) {
  buffer_.reserve(kBufferBytes);
  std::vector<std::byte> head = format::BuildFlattenedHeader();
  buffer_.insert(buffer_.end(), head.begin(), head.end());
  stream_bytes_ = head.size();
}

// A record is taken whole, and only when there is room for it: a half one would spoil the stream.
Status FlattenedSink::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  if (stream_bytes_ + 2 * format::kFlattenedRecordBytes + bytes.size() > max_bytes_)
    return LimitReached();
  HMEM_TRY(Take(format::BuildFlattenedRecord({.offset = offset, .bytes = bytes.size()}), bytes));
  promised_bytes_ -= std::min<uint64_t>(promised_bytes_, bytes.size());
  return {};
}

Status FlattenedSink::Take(std::span<const std::byte> head, std::span<const std::byte> bytes) {
  const size_t all = head.size() + bytes.size();
  if (buffer_.size() + all > kBufferBytes) HMEM_TRY(WriteOut());
  buffer_.insert(buffer_.end(), head.begin(), head.end());
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  stream_bytes_ += all;
  return {};
}

Status FlattenedSink::WriteOut() {
  HMEM_TRY(out_.Append(buffer_));
  buffer_.clear();
  return {};
}

Status FlattenedSink::LimitReached() const {
  return Fail(ErrorCode::kLimit,
              fmt::format("{}: the limit of {} bytes is reached", name(), max_bytes_));
}

Status FlattenedSink::Reserve(uint64_t /*offset*/, uint64_t bytes) {
  uint64_t all = 0;
  if (!CheckedAdd(stream_bytes_ + end_bytes_ + kHeadRoomBytes, bytes, &all) || all > max_bytes_)
    return LimitReached();
  if (end_bytes_ == 0) end_bytes_ = bytes;
  HMEM_TRY(out_.Reserve(buffer_.size() + promised_bytes_ + bytes + kHeadRoomBytes));
  promised_bytes_ += bytes;
  return {};
}

Status FlattenedSink::Sync() {
  HMEM_TRY(WriteOut());
  return out_.Sync();
}

Status FlattenedSink::Finish() {
  HMEM_TRY(Take(format::BuildFlattenedRecord(format::kFlattenedEnd), {}));
  return Sync();
}

}  // namespace hmem::capture
