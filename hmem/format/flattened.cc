// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/flattened.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"

namespace hmem::format {
namespace {

constexpr uint64_t kType = 1;
constexpr uint64_t kVersion = 1;
constexpr size_t kTypeOffset = 16;
constexpr size_t kVersionOffset = 24;

}  // namespace

Status CheckFlattenedHeader(std::span<const std::byte> head) {
  std::string_view start(reinterpret_cast<const char*>(head.data()),
                         std::min(head.size(), kFlattenedSignature.size()));
  if (start != kFlattenedSignature)
    return Fail(ErrorCode::kCorrupt, "flattened header: offset 0x0: no signature");
  if (head.size() < kFlattenedHeaderBytes) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("flattened header: the file ends after {} bytes", head.size()));
  }
  auto type = Load<uint64_t>(&head[kTypeOffset], Endian::kBig);
  auto version = Load<uint64_t>(&head[kVersionOffset], Endian::kBig);
  if (type != kType || version != kVersion) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("flattened header: type {}, version {}; only 1 and 1 are known", type,
                            version));
  }
  return {};
}

Result<FlattenedRecord> ParseFlattenedRecord(
    std::span<const std::byte, kFlattenedRecordBytes> bytes) {
  FlattenedRecord record{.offset = Load<uint64_t>(&bytes[0], Endian::kBig),
                         .bytes = Load<uint64_t>(&bytes[8], Endian::kBig)};
  uint64_t end;
  if (record != kFlattenedEnd &&
      (!CheckedAdd(record.offset, record.bytes, &end) ||
       end > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("flattened record: {:#x} bytes at offset {:#x} of the dump",
                            record.bytes, record.offset));
  }
  return record;
}

std::vector<std::byte> BuildFlattenedHeader() {
  std::vector<std::byte> head(kFlattenedHeaderBytes);
  auto signature = std::as_bytes(std::span(kFlattenedSignature));
  std::copy(signature.begin(), signature.end(), head.begin());
  Store<uint64_t>(&head[kTypeOffset], kType, Endian::kBig);
  Store<uint64_t>(&head[kVersionOffset], kVersion, Endian::kBig);
  return head;
}

std::array<std::byte, kFlattenedRecordBytes> BuildFlattenedRecord(const FlattenedRecord& record) {
  std::array<std::byte, kFlattenedRecordBytes> bytes;
  Store<uint64_t>(&bytes[0], record.offset, Endian::kBig);
  Store<uint64_t>(&bytes[8], record.bytes, Endian::kBig);
  return bytes;
}

}  // namespace hmem::format
