// SPDX-License-Identifier: GPL-2.0-or-later
// Snappy blocks, as kdump-compressed pages are stored. No levels, no check sum of its own.
#include <fmt/format.h>
#include <snappy-c.h>

#include <algorithm>
#include <vector>

#include "hmem/codec/codec.h"

namespace hmem::codec {
namespace {

size_t Bound(size_t raw_bytes) { return snappy_max_compressed_length(raw_bytes); }

Result<size_t> Pack(std::span<const std::byte> raw, std::span<std::byte> out, int /*level*/) {
  // The packer writes up to the worst case and no further, whatever room it is told of.
  thread_local std::vector<std::byte> worst;
  std::span<std::byte> to = out;
  if (out.size() < Bound(raw.size())) {
    if (worst.size() < Bound(raw.size())) worst.resize(Bound(raw.size()));
    to = worst;
  }
  size_t n = to.size();
  snappy_status status = snappy_compress(reinterpret_cast<const char*>(raw.data()), raw.size(),
                                         reinterpret_cast<char*>(to.data()), &n);
  if (status != SNAPPY_OK || n > out.size()) {
    return Fail(ErrorCode::kLimit,
                fmt::format("snappy: {} bytes do not fit into {}", raw.size(), out.size()));
  }
  if (to.data() != out.data()) std::copy_n(to.begin(), n, out.begin());
  return n;
}

// Beside the room for the worst case the library has a hash table of 32 KiB and a fragment of 64
// KiB with room for its worst case (snappy.cc, WorkingMemory).
size_t WorkBytes(size_t block_bytes, int /*level*/) {
  constexpr size_t kFragmentBytes = 64 << 10;
  return (32 << 10) + kFragmentBytes + Bound(kFragmentBytes) + Bound(block_bytes);
}

Status Unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  const char* in = reinterpret_cast<const char*>(packed.data());
  size_t n = 0;
  if (snappy_uncompressed_length(in, packed.size(), &n) != SNAPPY_OK) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("snappy: {} bytes do not begin with a length", packed.size()));
  }
  if (n != out.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("snappy: unpacks to {} bytes, expected {}", n, out.size()));
  }
  if (snappy_uncompress(in, packed.size(), reinterpret_cast<char*>(out.data()), &n) != SNAPPY_OK) {
    return Fail(ErrorCode::kCorrupt, fmt::format("snappy: {} bytes do not unpack", packed.size()));
  }
  return {};
}

}  // namespace

const Codec& SnappyCodec() {
  static constexpr Codec kCodec{.name = "snappy",
                                .hmem_id = kNoHmemId,
                                .bound = Bound,
                                .pack = Pack,
                                .work_bytes = WorkBytes,
                                .unpack = Unpack};
  return kCodec;
}

}  // namespace hmem::codec
