// SPDX-License-Identifier: GPL-2.0-or-later
// Checked sequential reads from bytes nobody vouches for. Every error names `what` and the offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "hmem/base/endian.h"
#include "hmem/base/result.h"

namespace hmem {

// A view: `bytes` must outlive the reader. kTruncated when a read goes past the end; the position
// then stays.
class ByteReader {
 public:
  // `what` names the structure in errors; `base` is added to offsets in errors (where `bytes`
  // starts in its file).
  ByteReader(std::span<const std::byte> bytes, Endian endian, std::string what, uint64_t base = 0)
      : bytes_(bytes), endian_(endian), what_(std::move(what)), base_(base) {}

  Result<uint8_t> U8();
  Result<uint16_t> U16();
  Result<uint32_t> U32();
  Result<uint64_t> U64();
  // 4 or 8 bytes, zero-extended.
  Result<uint64_t> Word(int word_bytes);
  Result<std::span<const std::byte>> Bytes(uint64_t n);
  // A fixed field of n bytes holding a NUL-padded text; the text up to the first NUL.
  Result<std::string> FixedText(uint64_t n);
  Status Skip(uint64_t n);
  Status Seek(uint64_t offset);

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }
  Endian endian() const { return endian_; }

 private:
  Error Short(uint64_t wanted) const;

  std::span<const std::byte> bytes_;
  Endian endian_;
  std::string what_;
  uint64_t base_;
  uint64_t offset_ = 0;
};

}  // namespace hmem
