// SPDX-License-Identifier: GPL-2.0-or-later
// Packing and unpacking of one block. hmem/codec/<name>_codec.cc defines `const Codec&
// <Name>Codec()`; the build finds it by the file's name. Thread-safe: the work memory that a codec
// keeps between calls belongs to the thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "hmem/base/result.h"

namespace hmem::codec {

// Codec::hmem_id of a codec that .hmem does not use.
inline constexpr uint8_t kNoHmemId = 0xff;

struct Codec {
  std::string_view name;  // "lz4", "zstd", "zlib", "lzo", "snappy", "none"

  // Number in .hmem block tables; 0 is "stored raw"; a codec that .hmem does not use has kNoHmemId.
  uint8_t hmem_id;

  // Worst-case packed size of `raw_bytes`. nullptr: this build only unpacks.
  size_t (*bound)(size_t raw_bytes);
  // Packs all of `raw` into `out`; returns the packed size. kLimit when `out` is too small.
  Result<size_t> (*pack)(std::span<const std::byte> raw, std::span<std::byte> out, int level);
  // Work memory that a thread keeps once it packed blocks of at most `block_bytes`.
  size_t (*work_bytes)(size_t block_bytes, int level);

  // Unpacks all of `packed`, which must yield exactly out.size() bytes. kCorrupt otherwise, never
  // an overrun.
  Status (*unpack)(std::span<const std::byte> packed, std::span<std::byte> out);
};

// Takes the work memory of the thread that calls, by packing a block once. kLimit: there is not so
// much; never throws.
Status Prepare(const Codec& codec, size_t block_bytes, int level);

std::span<const Codec* const> AllCodecs();
// kUnsupported names the codec.
Result<const Codec*> FindCodec(std::string_view name);
Result<const Codec*> FindCodecById(uint8_t hmem_id);

}  // namespace hmem::codec
