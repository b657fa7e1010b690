// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/pattern.h"

namespace hmem::makers {

std::vector<std::byte> Pattern(uint64_t seed, size_t bytes) {
  std::vector<std::byte> out(bytes);
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (size_t i = 0; i < bytes; ++i) {
    // Runs of eight equal bytes, so that codecs find something to do.
    if (i % 8 == 0) state = state * 6364136223846793005 + 1442695040888963407;
    out[i] = static_cast<std::byte>(state >> 56);
  }
  return out;
}

}  // namespace hmem::makers
