// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/byte_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace hmem {

Error ByteReader::Short(uint64_t wanted) const {
  return Error(ErrorCode::kTruncated, fmt::format("{}: offset {:#x}: {} bytes wanted, {} left",
                                                  what_, base_ + offset_, wanted, remaining()));
}

Result<std::span<const std::byte>> ByteReader::Bytes(uint64_t n) {
  if (n > remaining()) return std::unexpected(Short(n));
  auto bytes = bytes_.subspan(offset_, n);
  offset_ += n;
  return bytes;
}

Result<uint8_t> ByteReader::U8() {
  HMEM_ASSIGN(auto b, Bytes(1));
  return Load<uint8_t>(b.data(), endian_);
}

Result<uint16_t> ByteReader::U16() {
  HMEM_ASSIGN(auto b, Bytes(2));
  return Load<uint16_t>(b.data(), endian_);
}

Result<uint32_t> ByteReader::U32() {
  HMEM_ASSIGN(auto b, Bytes(4));
  return Load<uint32_t>(b.data(), endian_);
}

Result<uint64_t> ByteReader::U64() {
  HMEM_ASSIGN(auto b, Bytes(8));
  return Load<uint64_t>(b.data(), endian_);
}

Result<uint64_t> ByteReader::Word(int word_bytes) {
  if (word_bytes == 8) return U64();
  HMEM_ASSIGN(uint64_t v, U32());
  return v;
}

Result<std::string> ByteReader::FixedText(uint64_t n) {
  HMEM_ASSIGN(auto b, Bytes(n));
  auto end = std::find(b.begin(), b.end(), std::byte{0});
  return std::string(reinterpret_cast<const char*>(b.data()), static_cast<size_t>(end - b.begin()));
}

Status ByteReader::Skip(uint64_t n) {
  if (n > remaining()) return std::unexpected(Short(n));
  offset_ += n;
  return {};
}

Status ByteReader::Seek(uint64_t offset) {
  if (offset > bytes_.size()) {
    return Fail(ErrorCode::kTruncated, fmt::format("{}: seek to {:#x}, size {:#x}", what_,
                                                   base_ + offset, base_ + bytes_.size()));
  }
  offset_ = offset;
  return {};
}

}  // namespace hmem
