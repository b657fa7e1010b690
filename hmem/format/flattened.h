// SPDX-License-Identifier: GPL-2.0-or-later
// The flattened form of a dump (makedumpfile -F), made where the target cannot seek:
//
//   4096 bytes      signature, type 1, version 1; zeros
//   records         offset in the dump (8), bytes (8), the bytes; in any order, later ones win
//   end mark        offset and bytes all ones
//
// Integers are big-endian and signed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::format {

inline constexpr std::string_view kFlattenedSignature{"makedumpfile\0\0\0\0", 16};
inline constexpr size_t kFlattenedHeaderBytes = 4096;
inline constexpr size_t kFlattenedRecordBytes = 16;  // in front of a record's bytes

struct FlattenedRecord {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool operator==(const FlattenedRecord&) const = default;
};

inline constexpr FlattenedRecord kFlattenedEnd{.offset = ~uint64_t{0}, .bytes = ~uint64_t{0}};

// `head` is the start of the file. kCorrupt: no signature; kUnsupported: another type or version;
// kTruncated: too short.
Status CheckFlattenedHeader(std::span<const std::byte> head);
// kFlattenedEnd, or a record within the numbers that a file offset can have. kCorrupt: neither.
Result<FlattenedRecord> ParseFlattenedRecord(
    std::span<const std::byte, kFlattenedRecordBytes> bytes);

std::vector<std::byte> BuildFlattenedHeader();
std::array<std::byte, kFlattenedRecordBytes> BuildFlattenedRecord(const FlattenedRecord& record);

}  // namespace hmem::format
