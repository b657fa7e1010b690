// SPDX-License-Identifier: GPL-2.0-or-later
// An .hmem dump in memory, some 4 KiB pieces of which cannot be read, as on a disk with bad
// sectors.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "hmem/source/hmem_stream.h"

namespace hmem::fakes {

class FailingHmemFile {
 public:
  // Reads that touch a piece with one of these numbers are kIo with EIO.
  FailingHmemFile(std::vector<std::byte> bytes, std::vector<uint64_t> bad_pieces)
      : bytes_(std::move(bytes)),
        bad_pieces_(std::move(bad_pieces)),
        file_(source::HmemFile::Over(
            "dump.hmem", bytes_.size(),
            [this](uint64_t offset, std::span<std::byte> out) { return Read(offset, out); })) {}
  FailingHmemFile(const FailingHmemFile&) = delete;
  FailingHmemFile& operator=(const FailingHmemFile&) = delete;

  const source::HmemFile& file() const { return file_; }
  uint64_t reads() const { return reads_; }

 private:
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) {
    ++reads_;
    constexpr uint64_t kPiece = source::HmemFile::kPieceBytes;
    for (uint64_t piece : bad_pieces_) {
      if (offset < (piece + 1) * kPiece && offset + out.size() > piece * kPiece)
        return FailErrno("dump.hmem", EIO);
    }
    size_t n = std::min<uint64_t>(out.size(), bytes_.size() - offset);
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), n, out.begin());
    return n;
  }

  std::vector<std::byte> bytes_;
  std::vector<uint64_t> bad_pieces_;
  uint64_t reads_ = 0;
  source::HmemFile file_;
};

}  // namespace hmem::fakes
