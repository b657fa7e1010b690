// SPDX-License-Identifier: GPL-2.0-or-later
// zlib streams, as kdump-compressed pages are stored. Levels 1 to 9; 0 and below stand for the
// library's default.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "hmem/codec/codec.h"

namespace hmem::codec {
namespace {

size_t Bound(size_t raw_bytes) { return compressBound(raw_bytes); }

Result<size_t> Pack(std::span<const std::byte> raw, std::span<std::byte> out, int level) {
  uLongf n = out.size();
  int status = compress2(reinterpret_cast<Bytef*>(out.data()), &n,
                         reinterpret_cast<const Bytef*>(raw.data()), raw.size(),
                         level <= 0 ? Z_DEFAULT_COMPRESSION : std::min(level, Z_BEST_COMPRESSION));
  if (status != Z_OK) {
    return Fail(ErrorCode::kLimit,
                fmt::format("zlib: {} bytes into {}: status {}", raw.size(), out.size(), status));
  }
  return n;
}

Status Unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  uLongf n = out.size();
  uLong used = packed.size();
  int status = uncompress2(reinterpret_cast<Bytef*>(out.data()), &n,
                           reinterpret_cast<const Bytef*>(packed.data()), &used);
  if (status != Z_OK) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("zlib: {} bytes do not unpack: status {}", packed.size(), status));
  }
  if (n != out.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("zlib: unpacks to {} bytes, expected {}", n, out.size()));
  }
  if (used != packed.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("zlib: ends after {} of {} bytes", used, packed.size()));
  }
  return {};
}

}  // namespace

const Codec& ZlibCodec() {
  static constexpr Codec kCodec{
      .name = "zlib", .hmem_id = kNoHmemId, .bound = Bound, .pack = Pack, .unpack = Unpack};
  return kCodec;
}

}  // namespace hmem::codec
