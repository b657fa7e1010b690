// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/codec/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <vector>

namespace hmem::codec {

Status Prepare(const Codec& codec, size_t block_bytes, int level) {
  try {
    std::vector<std::byte> raw(block_bytes), packed(codec.bound(block_bytes));
    HMEM_TRY(codec.pack(raw, packed, level));
    return {};
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kLimit, fmt::format("{}: no memory to pack with", codec.name));
  }
}

Result<const Codec*> FindCodec(std::string_view name) {
  auto all = AllCodecs();
  auto it = std::find_if(all.begin(), all.end(), [&](const Codec* c) { return c->name == name; });
  if (it != all.end()) return *it;
  return Fail(ErrorCode::kUnsupported, fmt::format("codec {} is not in this build", name));
}

Result<const Codec*> FindCodecById(uint8_t hmem_id) {
  auto all = AllCodecs();
  auto it = std::find_if(all.begin(), all.end(), [&](const Codec* c) {
    return c->hmem_id == hmem_id && hmem_id != kNoHmemId;
  });
  if (it != all.end()) return *it;
  return Fail(ErrorCode::kUnsupported,
              fmt::format("codec number {} is not known to this build", hmem_id));
}

}  // namespace hmem::codec
