// SPDX-License-Identifier: GPL-2.0-or-later
// Stored as it is.
#include <fmt/format.h>

#include <algorithm>

#include "hmem/codec/codec.h"

namespace hmem::codec {
namespace {

size_t Bound(size_t raw_bytes) { return raw_bytes; }

Result<size_t> Pack(std::span<const std::byte> raw, std::span<std::byte> out, int /*level*/) {
  if (out.size() < raw.size()) {
    return Fail(ErrorCode::kLimit,
                fmt::format("none: {} bytes do not fit into {}", raw.size(), out.size()));
  }
  std::copy(raw.begin(), raw.end(), out.begin());
  return raw.size();
}

size_t WorkBytes(size_t /*block_bytes*/, int /*level*/) { return 0; }

Status Unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  if (packed.size() != out.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("none: {} bytes stored, expected {}", packed.size(), out.size()));
  }
  std::copy(packed.begin(), packed.end(), out.begin());
  return {};
}

}  // namespace

const Codec& NoneCodec() {
  static constexpr Codec kCodec{.name = "none",
                                .hmem_id = 0,
                                .bound = Bound,
                                .pack = Pack,
                                .work_bytes = WorkBytes,
                                .unpack = Unpack};
  return kCodec;
}

}  // namespace hmem::codec
