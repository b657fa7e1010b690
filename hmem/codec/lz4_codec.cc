// SPDX-License-Identifier: GPL-2.0-or-later
// LZ4 blocks, without frame: the sizes are kept by whoever stores them. Level 0 and 1: the fast
// packer; above: the high-compression one at that level; below 0: faster still, packing less.
#include <fmt/format.h>
#include <lz4.h>
#include <lz4hc.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "hmem/codec/codec.h"

namespace hmem::codec {
namespace {

constexpr size_t kMaxInt = std::numeric_limits<int>::max();

size_t Bound(size_t raw_bytes) {
  return raw_bytes > LZ4_MAX_INPUT_SIZE
             ? 0
             : static_cast<size_t>(LZ4_compressBound(static_cast<int>(raw_bytes)));
}

Result<size_t> Pack(std::span<const std::byte> raw, std::span<std::byte> out, int level) {
  if (raw.size() > LZ4_MAX_INPUT_SIZE) {
    return Fail(ErrorCode::kLimit, fmt::format("lz4: {} bytes, at most {} in a block", raw.size(),
                                               LZ4_MAX_INPUT_SIZE));
  }
  const char* in = reinterpret_cast<const char*>(raw.data());
  char* packed = reinterpret_cast<char*>(out.data());
  int room = static_cast<int>(std::min(out.size(), kMaxInt));
  const int bytes = static_cast<int>(raw.size());
  // Of the library's own, the state of the high-compression packer would be 256 KiB from the heap
  // for each block.
  thread_local std::vector<uint64_t> fast_state(LZ4_sizeofState() / 8 + 1);
  thread_local std::vector<uint64_t> high_state;
  if (level > 1 && high_state.empty()) high_state.resize(LZ4_sizeofStateHC() / 8 + 1);
  int n = level > 1 ? LZ4_compress_HC_extStateHC(high_state.data(), in, packed, bytes, room, level)
                    : LZ4_compress_fast_extState(fast_state.data(), in, packed, bytes, room,
                                                 level < 0 ? -level : 1);
  if (n <= 0)
    return Fail(ErrorCode::kLimit,
                fmt::format("lz4: {} bytes do not fit into {}", raw.size(), out.size()));
  return static_cast<size_t>(n);
}

size_t WorkBytes(size_t /*block_bytes*/, int level) {
  const auto fast = static_cast<size_t>(LZ4_sizeofState());
  return level > 1 ? fast + static_cast<size_t>(LZ4_sizeofStateHC()) : fast;
}

Status Unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  if (packed.size() > kMaxInt || out.size() > kMaxInt) {
    return Fail(ErrorCode::kLimit, fmt::format("lz4: {} to {} bytes, too large for a block",
                                               packed.size(), out.size()));
  }
  int n = LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data()),
                              reinterpret_cast<char*>(out.data()), static_cast<int>(packed.size()),
                              static_cast<int>(out.size()));
  if (n < 0)
    return Fail(ErrorCode::kCorrupt, fmt::format("lz4: {} bytes do not unpack", packed.size()));
  if (static_cast<size_t>(n) != out.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("lz4: unpacks to {} bytes, expected {}", n, out.size()));
  }
  return {};
}

}  // namespace

const Codec& Lz4Codec() {
  static constexpr Codec kCodec{.name = "lz4",
                                .hmem_id = 1,
                                .bound = Bound,
                                .pack = Pack,
                                .work_bytes = WorkBytes,
                                .unpack = Unpack};
  return kCodec;
}

}  // namespace hmem::codec
