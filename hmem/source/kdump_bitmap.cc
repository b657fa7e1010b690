// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/kdump_bitmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "hmem/base/endian.h"

namespace hmem::source {
namespace {

// As 64-bit words whose bit i is page i: little-endian, whatever the dump's byte order is.
uint64_t WordAt(std::span<const std::byte> block, uint64_t word) {
  return hmem::Load<uint64_t>(block.data() + word * 8, Endian::kLittle);
}

uint64_t CountBits(std::span<const std::byte> block) {
  uint64_t count = 0;
  for (uint64_t word = 0; word < block.size() / 8; ++word)
    count += std::popcount(WordAt(block, word));
  return count;
}

bool TestBit(std::span<const std::byte> block, uint64_t bit) {
  return (WordAt(block, bit / 64) >> (bit % 64) & 1) != 0;
}

}  // namespace

Result<KdumpBitmap> KdumpBitmap::Index(const DumpFile& file, uint64_t offset, uint64_t bits) {
  KdumpBitmap bitmap;
  bitmap.file_ = &file;
  bitmap.offset_ = offset;
  uint64_t there = offset < file.size_bytes() ? file.size_bytes() - offset : 0;
  bitmap.bits_ = there >= bits / 8 + 1 ? bits : std::min(bits, there * 8);
  uint64_t blocks = (bitmap.bits_ + kBlockBits - 1) / kBlockBits;
  if (blocks > kMaxBlocks) {
    return Fail(ErrorCode::kLimit, fmt::format("{}: bitmap of {} pages, at most {} are read",
                                               file.path(), bitmap.bits_, kMaxBlocks * kBlockBits));
  }
  bitmap.ranks_.reserve(blocks + 1);
  bitmap.ranks_.push_back(0);
  std::array<std::byte, kBlockBytes> block;
  for (uint64_t i = 0; i < blocks; ++i) {
    HMEM_TRY(bitmap.Load(i, block));
    bitmap.ranks_.push_back(bitmap.ranks_.back() + CountBits(block));
  }
  return bitmap;
}

Status KdumpBitmap::Load(uint64_t number, std::span<std::byte, kBlockBytes> bytes) const {
  uint64_t bits = std::min(bits_ - number * kBlockBits, kBlockBits);
  uint64_t used = (bits + 7) / 8;
  HMEM_TRY(Within("bitmap", file_->Read(offset_ + number * kBlockBytes, bytes.first(used))));
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(used), bytes.end(), std::byte{0});
  if (bits % 8 != 0) bytes[used - 1] &= static_cast<std::byte>((1u << (bits % 8)) - 1);
  return {};
}

Result<const KdumpBitmap::CachedBlock*> KdumpBitmap::Cached(uint64_t number) const {
  CachedBlock& slot = cache_[number % cache_.size()];
  if (slot.number != number) {
    slot.number = ~uint64_t{0};
    HMEM_TRY(Load(number, slot.bytes));
    uint64_t count = 0;
    for (size_t i = 0; i < slot.counts.size(); ++i) {
      slot.counts[i] = static_cast<uint16_t>(count);
      count += CountBits(std::span(slot.bytes).subspan(i * kStrideBits / 8, kStrideBits / 8));
    }
    slot.number = number;
  }
  return &slot;
}

Result<bool> KdumpBitmap::Test(uint64_t bit) const {
  if (bit >= bits_) return false;
  HMEM_ASSIGN(const CachedBlock* block, Cached(bit / kBlockBits));
  return TestBit(block->bytes, bit % kBlockBits);
}

Result<uint64_t> KdumpBitmap::Rank(uint64_t bit) const {
  if (bit >= bits_) return count();
  HMEM_ASSIGN(const CachedBlock* block, Cached(bit / kBlockBits));
  uint64_t in_block = bit % kBlockBits;
  uint64_t rank = ranks_[bit / kBlockBits] + block->counts[in_block / kStrideBits];
  for (uint64_t word = in_block / kStrideBits * kStrideBits / 64; word < in_block / 64; ++word) {
    rank += std::popcount(WordAt(block->bytes, word));
  }
  uint64_t below = (uint64_t{1} << (in_block % 64)) - 1;
  return rank + std::popcount(WordAt(block->bytes, in_block / 64) & below);
}

Result<uint64_t> KdumpBitmap::Select(uint64_t rank) const {
  if (rank >= count()) {
    return Fail(ErrorCode::kNotFound, fmt::format("bitmap: no set bit number {}", rank));
  }
  auto behind = std::upper_bound(ranks_.begin(), ranks_.end(), rank);
  uint64_t number = static_cast<uint64_t>(behind - ranks_.begin()) - 1;
  HMEM_ASSIGN(const CachedBlock* block, Cached(number));
  uint64_t left = rank - ranks_[number];
  for (uint64_t bit = 0; bit < kBlockBits; ++bit) {
    if (TestBit(block->bytes, bit) && left-- == 0) return number * kBlockBits + bit;
  }
  return Fail(ErrorCode::kCorrupt,
              fmt::format("bitmap: block {} changed since it was counted", number));
}

Result<uint64_t> KdumpBitmap::RunEnd(uint64_t bit, uint64_t limit) const {
  HMEM_ASSIGN(bool set, Test(bit));
  while (bit < limit) {
    uint64_t number = bit / kBlockBits;
    uint64_t block_end = std::min((number + 1) * kBlockBits, bits_);
    uint64_t count = ranks_[number + 1] - ranks_[number];
    if (count == (set ? block_end - number * kBlockBits : 0)) {
      bit = block_end;
      continue;
    }
    HMEM_ASSIGN(const CachedBlock* block, Cached(number));
    for (uint64_t end = std::min(block_end, limit); bit < end; ++bit) {
      if (TestBit(block->bytes, bit % kBlockBits) != set) return bit;
    }
  }
  return std::min(bit, limit);
}

Status KdumpBitmap::ForEachRun(const std::function<bool(uint64_t, uint64_t)>& run) const {
  constexpr uint64_t kNoRun = ~uint64_t{0};
  uint64_t first = kNoRun;
  std::array<std::byte, kBlockBytes> block;
  for (uint64_t at = 0; at < bits_; at += kBlockBits) {
    uint64_t number = at / kBlockBits;
    uint64_t set = ranks_[number + 1] - ranks_[number];
    // Whole blocks of one kind need no reading.
    if (set == kBlockBits) {
      if (first == kNoRun) first = at;
      continue;
    }
    if (set != 0) HMEM_TRY(Load(number, block));
    uint64_t end = std::min(bits_ - at, kBlockBits);
    for (uint64_t bit = 0; bit < end; ++bit) {
      bool is_set = set != 0 && TestBit(block, bit);
      if (is_set && first == kNoRun) first = at + bit;
      if (!is_set && first != kNoRun) {
        if (!run(first, at + bit)) return {};
        first = kNoRun;
      }
      if (set == 0) break;
    }
  }
  if (first != kNoRun) run(first, bits_);
  return {};
}

}  // namespace hmem::source
