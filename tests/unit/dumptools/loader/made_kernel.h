// SPDX-License-Identifier: GPL-2.0-or-later
// The headers of a signed bzImage, and nothing behind them.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>
#include <vector>

#include "hmem/base/endian.h"

namespace hmem::loader {

constexpr uint32_t kMadeInitSize = 54 << 20;
constexpr size_t kMadePe = 0x80;
constexpr size_t kMadeCertificateSizeOffset = kMadePe + 24 + 112 + 4 * 8 + 4;

inline std::vector<std::byte> MadeKernel(std::string_view release) {
  constexpr size_t kVersion = 0x1000;
  constexpr size_t kBytes = 0x2000;
  constexpr size_t kSetupSectors = 7;
  std::vector<std::byte> image(kBytes);
  auto put16 = [&](size_t at, uint16_t v) { Store(image.data() + at, v, Endian::kLittle); };
  auto put32 = [&](size_t at, uint32_t v) { Store(image.data() + at, v, Endian::kLittle); };
  put32(0x3c, kMadePe);
  put32(kMadePe, 0x4550);
  put16(kMadePe + 24, 0x20b);
  put32(kMadeCertificateSizeOffset, 1472);
  image[0x1f1] = std::byte{kSetupSectors};
  put32(0x1f4, (kBytes - (kSetupSectors + 1) * 512) / 16);
  put32(0x202, 0x53726448);
  put16(0x206, 0x20f);
  put16(0x20e, kVersion - 0x200);
  put16(0x236, 0x7f);
  put32(0x238, 2047);
  put32(0x260, kMadeInitSize);
  std::memcpy(image.data() + kVersion, release.data(), release.size());
  constexpr std::string_view kBuilder = " (builder@example.org) #1 SMP";
  std::memcpy(image.data() + kVersion + release.size(), kBuilder.data(), kBuilder.size());
  return image;
}

}  // namespace hmem::loader
