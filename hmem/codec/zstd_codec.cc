// SPDX-License-Identifier: GPL-2.0-or-later
// Zstandard frames. One context a thread is kept, because making one costs more than a block of 64
// KiB.
#include <fmt/format.h>
#define ZSTD_STATIC_LINKING_ONLY  // for the estimate of work memory
#include <zstd.h>

#include <memory>

#include "hmem/codec/codec.h"

namespace hmem::codec {
namespace {

struct Free {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

size_t Bound(size_t raw_bytes) { return ZSTD_compressBound(raw_bytes); }

Result<size_t> Pack(std::span<const std::byte> raw, std::span<std::byte> out, int level) {
  thread_local std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  if (!context) return Fail(ErrorCode::kLimit, "zstd: no memory to pack with");
  size_t n =
      ZSTD_compressCCtx(context.get(), out.data(), out.size(), raw.data(), raw.size(), level);
  if (ZSTD_isError(n)) {
    return Fail(ErrorCode::kLimit, fmt::format("zstd: {} bytes into {}: {}", raw.size(), out.size(),
                                               ZSTD_getErrorName(n)));
  }
  return n;
}

size_t WorkBytes(size_t block_bytes, int level) {
  return ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, block_bytes, 0));
}

Status Unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  thread_local std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  if (!context) return Fail(ErrorCode::kLimit, "zstd: no memory to unpack with");
  size_t n =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(n)) {
    return Fail(ErrorCode::kCorrupt, fmt::format("zstd: {} bytes do not unpack: {}", packed.size(),
                                                 ZSTD_getErrorName(n)));
  }
  if (n != out.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("zstd: unpacks to {} bytes, expected {}", n, out.size()));
  }
  return {};
}

}  // namespace

const Codec& ZstdCodec() {
  static constexpr Codec kCodec{.name = "zstd",
                                .hmem_id = 2,
                                .bound = Bound,
                                .pack = Pack,
                                .work_bytes = WorkBytes,
                                .unpack = Unpack};
  return kCodec;
}

}  // namespace hmem::codec
