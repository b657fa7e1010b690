// SPDX-License-Identifier: GPL-2.0-or-later
// A page bitmap inside a kdump-compressed file, read in windows. Memory: one count for each 4 KiB
// of bitmap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "hmem/base/result.h"
#include "hmem/source/dump_file.h"

namespace hmem::source {

// Not thread-safe: a few blocks are cached. Lowest bit of a byte first.
class KdumpBitmap {
 public:
  static constexpr uint64_t kBlockBytes = 4096;
  static constexpr uint64_t kBlockBits = kBlockBytes * 8;
  // 2^35 pages: 128 TiB of 4 KiB pages, 8 MiB of counts.
  static constexpr uint64_t kMaxBlocks = 1 << 20;

  KdumpBitmap() = default;
  // `bits` bits from file offset `offset` on; where the file ends before, as many as it has. `file`
  // must outlive it. Reads all of it once. kLimit, kIo.
  static Result<KdumpBitmap> Index(const DumpFile& file, uint64_t offset, uint64_t bits);

  // Bits that are in the file; fewer than asked for when it was cut.
  uint64_t bits() const { return bits_; }
  // Set bits among them.
  uint64_t count() const { return ranks_.empty() ? 0 : ranks_.back(); }

  // False behind bits(). kIo, kTruncated: the file changed since.
  Result<bool> Test(uint64_t bit) const;
  // Set bits before `bit`.
  Result<uint64_t> Rank(uint64_t bit) const;
  // The bit of which `rank` set bits lie before. kNotFound: not so many are set.
  Result<uint64_t> Select(uint64_t rank) const;
  // Where the run of equal bits that holds `bit` ends, at most at `limit`; `bit` < `limit` <=
  // bits(). Blocks all of one kind are passed over.
  Result<uint64_t> RunEnd(uint64_t bit, uint64_t limit) const;
  // Calls `run(first, end)` for each run of set bits, in order, until it returns false.
  Status ForEachRun(const std::function<bool(uint64_t, uint64_t)>& run) const;

 private:
  static constexpr uint64_t kStrideBits = 512;

  struct CachedBlock {
    uint64_t number = ~uint64_t{0};
    std::array<std::byte, kBlockBytes> bytes;
    // Set bits before every kStrideBits bits.
    std::array<uint16_t, kBlockBits / kStrideBits> counts;
  };

  // The bytes of one block, zero behind the last bit.
  Status Load(uint64_t number, std::span<std::byte, kBlockBytes> bytes) const;
  Result<const CachedBlock*> Cached(uint64_t number) const;

  const DumpFile* file_ = nullptr;
  uint64_t offset_ = 0;
  uint64_t bits_ = 0;
  std::vector<uint64_t> ranks_;  // set bits before block i; one more entry at the end
  mutable std::array<CachedBlock, 8> cache_;
};

}  // namespace hmem::source
