// SPDX-License-Identifier: GPL-2.0-or-later
// Loads and stores with a stated byte order; the host's order never matters. Pointers need no
// alignment.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace hmem {

enum class Endian { kLittle, kBig };

template <typename T>
constexpr T SwapBytes(T v) {
  if constexpr (sizeof(T) == 1) return v;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(v)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(v)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(v)));
}

constexpr Endian kHostEndian =
    std::endian::native == std::endian::little ? Endian::kLittle : Endian::kBig;

// The caller guarantees sizeof(T) readable bytes at p; from a dump, go through ByteReader instead.
template <typename T>
T Load(const std::byte* p, Endian endian) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return endian == kHostEndian ? v : SwapBytes(v);
}

template <typename T>
void Store(std::byte* p, T v, Endian endian) {
  if (endian != kHostEndian) v = SwapBytes(v);
  std::memcpy(p, &v, sizeof v);
}

}  // namespace hmem
