// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/flattened_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <queue>

#include "hmem/format/flattened.h"

namespace hmem::source {

using format::FlattenedRecord;

Result<FlattenedIndex> FlattenedIndex::Read(const ReadFn& read, uint64_t file_bytes,
                                            Findings& findings) {
  std::array<std::byte, format::kFlattenedHeaderBytes> head;
  HMEM_ASSIGN(size_t there, read(0, head));
  HMEM_TRY(format::CheckFlattenedHeader(std::span(head).first(there)));

  FlattenedIndex index;
  std::vector<Extent> records;
  auto lose = [&](uint64_t at, std::string_view id, std::string_view text) {
    findings.Add(Severity::kLoss, id, fmt::format("file offset {:#x}", at), text);
  };
  for (uint64_t at = format::kFlattenedHeaderBytes;;) {
    std::array<std::byte, format::kFlattenedRecordBytes> bytes;
    HMEM_ASSIGN(there, read(at, bytes));
    if (there < bytes.size()) {
      lose(at, "source.flattened.truncated",
           "the flattened file ends without its end mark; what came before is read");
      break;
    }
    auto record = format::ParseFlattenedRecord(bytes);
    if (!record) {
      lose(at, "source.flattened.damaged",
           record.error().ToString() + "; what came before is read");
      break;
    }
    if (*record == format::kFlattenedEnd) break;
    if (records.size() == kMaxRecords) {
      lose(at, "source.flattened.too-many-records",
           fmt::format("more than {} records; the others were not read", kMaxRecords));
      break;
    }
    at += bytes.size();
    const uint64_t left = file_bytes > at ? file_bytes - at : 0;
    if (uint64_t n = std::min(record->bytes, left); n != 0)
      records.push_back({.offset = record->offset, .bytes = n, .file_offset = at});
    if (record->bytes > left) {
      lose(at, "source.flattened.truncated",
           fmt::format("the flattened file ends after {} of {} bytes of a record; what came before "
                       "is read",
                       left, record->bytes));
      break;
    }
    at += record->bytes;
  }
  index.extents_ = WithoutOverlaps(std::move(records));
  if (!index.extents_.empty())
    index.size_bytes_ = index.extents_.back().offset + index.extents_.back().bytes;
  return index;
}

// Later records win: of all that cover a place, the one behind the others in the file.
std::vector<FlattenedIndex::Extent> FlattenedIndex::WithoutOverlaps(std::vector<Extent> records) {
  std::ranges::sort(records, {}, &Extent::offset);
  auto earlier = [](const Extent& a, const Extent& b) { return a.file_offset < b.file_offset; };
  std::priority_queue<Extent, std::vector<Extent>, decltype(earlier)> covering(earlier);
  auto end_of = [](const Extent& extent) { return extent.offset + extent.bytes; };

  std::vector<Extent> out;
  out.reserve(records.size());
  auto next = records.begin();
  uint64_t at = 0;
  while (next != records.end() || !covering.empty()) {
    if (covering.empty()) at = std::max(at, next->offset);
    for (; next != records.end() && next->offset <= at; ++next) covering.push(*next);
    const Extent top = covering.top();
    if (end_of(top) <= at) {
      covering.pop();
      continue;
    }
    const uint64_t end = std::min(
        end_of(top), next == records.end() ? std::numeric_limits<uint64_t>::max() : next->offset);
    const uint64_t file_offset = top.file_offset + (at - top.offset);
    if (!out.empty() && end_of(out.back()) == at &&
        out.back().file_offset + out.back().bytes == file_offset) {
      out.back().bytes += end - at;
    } else {
      out.push_back({.offset = at, .bytes = end - at, .file_offset = file_offset});
    }
    at = end;
  }
  return out;
}

FlattenedIndex::Piece FlattenedIndex::At(uint64_t offset) const {
  auto behind = std::ranges::upper_bound(extents_, offset, {}, &Extent::offset);
  if (behind != extents_.begin()) {
    const Extent& extent = *std::prev(behind);
    const uint64_t into = offset - extent.offset;
    if (into < extent.bytes) {
      return {
          .in_file = true, .file_offset = extent.file_offset + into, .bytes = extent.bytes - into};
    }
  }
  return {.bytes = (behind == extents_.end() ? size_bytes_ : behind->offset) - offset};
}

}  // namespace hmem::source
