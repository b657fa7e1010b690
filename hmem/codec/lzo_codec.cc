// SPDX-License-Identifier: GPL-2.0-or-later
// LZO1X-1, as kdump-compressed pages are stored. No levels, no check sum of its own.
#include <fmt/format.h>
#include <lzo/lzo1x.h>

#include <algorithm>
#include <vector>

#include "hmem/codec/codec.h"

namespace hmem::codec {
namespace {

Status Ready() {
  static const int status = lzo_init();
  if (status != LZO_E_OK)
    return Fail(ErrorCode::kUnsupported, fmt::format("lzo: the library refuses: {}", status));
  return {};
}

// What cannot be packed grows by a byte in sixteen and an end mark (the library's LZO.FAQ).
size_t Bound(size_t raw_bytes) { return raw_bytes + raw_bytes / 16 + 64 + 3; }

Result<size_t> Pack(std::span<const std::byte> raw, std::span<std::byte> out, int /*level*/) {
  HMEM_TRY(Ready());
  thread_local std::vector<std::byte> work(LZO1X_1_MEM_COMPRESS);
  // The packer knows no end of its output: it gets room for the worst case.
  thread_local std::vector<std::byte> worst;
  std::span<std::byte> to = out;
  if (out.size() < Bound(raw.size())) {
    if (worst.size() < Bound(raw.size())) worst.resize(Bound(raw.size()));
    to = worst;
  }
  lzo_uint n = to.size();
  int status = lzo1x_1_compress(reinterpret_cast<const unsigned char*>(raw.data()), raw.size(),
                                reinterpret_cast<unsigned char*>(to.data()), &n, work.data());
  if (status != LZO_E_OK || n > out.size()) {
    return Fail(ErrorCode::kLimit,
                fmt::format("lzo: {} bytes do not fit into {}", raw.size(), out.size()));
  }
  if (to.data() != out.data()) std::copy_n(to.begin(), n, out.begin());
  return n;
}

size_t WorkBytes(size_t block_bytes, int /*level*/) {
  return LZO1X_1_MEM_COMPRESS + Bound(block_bytes);
}

Status Unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  HMEM_TRY(Ready());
  lzo_uint n = out.size();
  int status =
      lzo1x_decompress_safe(reinterpret_cast<const unsigned char*>(packed.data()), packed.size(),
                            reinterpret_cast<unsigned char*>(out.data()), &n, nullptr);
  if (status != LZO_E_OK) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("lzo: {} bytes do not unpack: status {}", packed.size(), status));
  }
  if (n != out.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("lzo: unpacks to {} bytes, expected {}", n, out.size()));
  }
  return {};
}

}  // namespace

const Codec& LzoCodec() {
  static constexpr Codec kCodec{.name = "lzo",
                                .hmem_id = kNoHmemId,
                                .bound = Bound,
                                .pack = Pack,
                                .work_bytes = WorkBytes,
                                .unpack = Unpack};
  return kCodec;
}

}  // namespace hmem::codec
