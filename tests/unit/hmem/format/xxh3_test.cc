// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/xxh3.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <vector>

namespace hmem::format {
namespace {

using Digest = std::array<uint8_t, 16>;

Digest Streamed(const Xxh3Functions& functions, const std::vector<uint8_t>& bytes, size_t step) {
  std::unique_ptr<void, void (*)(void*)> state(functions.create128(), functions.free128);
  functions.reset128(state.get());
  for (size_t at = 0; at < bytes.size(); at += step)
    functions.update128(state.get(), bytes.data() + at, std::min(step, bytes.size() - at));
  Digest digest;
  functions.digest128(state.get(), digest.data());
  return digest;
}

Digest AtOnce(const std::vector<uint8_t>& bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return std::to_array(canonical.digest);
}

void ExpectTheLibrarysDigests(const Xxh3Functions& functions) {
  std::mt19937_64 random(7);
  // Around the lengths where the algorithm changes: 16, 128, 240, a stripe of 64, a block of 1024.
  for (size_t size : {0, 1, 16, 17, 128, 129, 240, 241, 1023, 1024, 1025, 4096, 65537, 300000}) {
    std::vector<uint8_t> bytes(size);
    std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<uint8_t>(random()); });
    EXPECT_EQ(functions.hash64(bytes.data(), size), XXH3_64bits(bytes.data(), size)) << size;
    for (size_t step : {7, 64, 300, 70000})
      EXPECT_EQ(Streamed(functions, bytes, step), AtOnce(bytes)) << size << " bytes by " << step;
  }
}

TEST(Xxh3, PortableIsTheLibrarys) { ExpectTheLibrarysDigests(kPortableXxh3); }

#if defined(__x86_64__)
TEST(Xxh3, Avx2IsTheLibrarys) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this CPU has no AVX2";
  EXPECT_EQ(&FastestXxh3(), &kAvx2Xxh3);
  ExpectTheLibrarysDigests(kAvx2Xxh3);
}
#endif

}  // namespace
}  // namespace hmem::format
