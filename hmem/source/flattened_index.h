// SPDX-License-Identifier: GPL-2.0-or-later
// Where the bytes of a flattened dump lie in its file. Layout: hmem/format/flattened.h. Memory: 48
// bytes a record, of which a file has at most one in 16 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "hmem/base/findings.h"
#include "hmem/base/result.h"

namespace hmem::source {

class FlattenedIndex {
 public:
  // Records that are read at most.
  static constexpr size_t kMaxRecords = 8 << 20;

  // Reads bytes of the file; fewer than asked for only at its end.
  using ReadFn = std::function<Result<size_t>(uint64_t offset, std::span<std::byte> out)>;

  // Goes over all records. A file that was cut, a record that makes no sense, or one too many: what
  // comes before counts, with a finding. kIo, kUnsupported: another version of the format;
  // kTruncated: shorter than the header.
  static Result<FlattenedIndex> Read(const ReadFn& read, uint64_t file_bytes, Findings& findings);

  // Of the dump: behind its last byte.
  uint64_t size_bytes() const { return size_bytes_; }

  struct Piece {
    bool in_file = false;      // otherwise nobody wrote it: zeros
    uint64_t file_offset = 0;  // of the first byte asked for
    uint64_t bytes = 0;
  };
  // What lies at `offset` of the dump, below size_bytes(), and how far.
  Piece At(uint64_t offset) const;

 private:
  struct Extent {
    uint64_t offset;  // in the dump
    uint64_t bytes;
    uint64_t file_offset;
  };

  static std::vector<Extent> WithoutOverlaps(std::vector<Extent> records);

  std::vector<Extent> extents_;  // disjoint, ascending
  uint64_t size_bytes_ = 0;
};

}  // namespace hmem::source
