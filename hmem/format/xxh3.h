// SPDX-License-Identifier: GPL-2.0-or-later
// XXH3 by the widest registers that this CPU has. The library's own functions are compiled for the
// least x86-64, and its archive has no dispatch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hmem::format {

// A state of one of these is no other's: its layout is the library's affair.
struct Xxh3Functions {
  uint64_t (*hash64)(const void* bytes, size_t size);
  void* (*create128)();  // nullptr: no memory; to be reset before anything else
  void (*free128)(void* state);
  void (*reset128)(void* state);
  void (*update128)(void* state, const void* bytes, size_t size);
  void (*digest128)(const void* state, void* out);  // 16 bytes, canonical (big-endian)
};

// What runs on every CPU of the architecture.
extern const Xxh3Functions kPortableXxh3;
#if defined(__x86_64__)
// Only where the CPU has AVX2.
extern const Xxh3Functions kAvx2Xxh3;
#endif

// The fastest of them here.
const Xxh3Functions& FastestXxh3();

}  // namespace hmem::format
