// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes that tell where they belong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hmem::makers {

// `bytes` bytes that follow from `seed` alone and neither repeat soon nor pack to nothing: a page
// in the wrong place, or at the wrong offset, does not compare equal.
std::vector<std::byte> Pattern(uint64_t seed, size_t bytes = 4096);

inline std::vector<std::byte> Bytes(std::string_view text) {
  auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

}  // namespace hmem::makers
