// SPDX-License-Identifier: GPL-2.0-or-later
// Flattened files out of records in any order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "hmem/format/flattened.h"

namespace hmem::makers {

class FlattenedMaker {
 public:
  FlattenedMaker& Record(uint64_t offset, std::span<const std::byte> bytes) {
    Append(format::BuildFlattenedRecord({.offset = offset, .bytes = bytes.size()}));
    Append(bytes);
    return *this;
  }
  // A head that its bytes do not follow.
  FlattenedMaker& Head(format::FlattenedRecord record) {
    Append(format::BuildFlattenedRecord(record));
    return *this;
  }
  // All of `dump` in records of so many bytes.
  FlattenedMaker& Whole(std::span<const std::byte> dump, size_t record_bytes) {
    for (size_t at = 0; at < dump.size(); at += record_bytes)
      Record(at, dump.subspan(at, std::min(record_bytes, dump.size() - at)));
    return *this;
  }
  // Without an end mark.
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::byte> Make() const {
    FlattenedMaker whole = *this;
    return whole.Head(format::kFlattenedEnd).bytes_;
  }

 private:
  void Append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  std::vector<std::byte> bytes_ = format::BuildFlattenedHeader();
};

}  // namespace hmem::makers
