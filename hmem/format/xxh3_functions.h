// SPDX-License-Identifier: GPL-2.0-or-later
// The functions of the xxhash.h that was included before this, in whichever form it was asked for.
// Nothing here has linkage: each file that includes it has its own.
#pragma once

#include "hmem/format/xxh3.h"

namespace hmem::format {
namespace {

constexpr Xxh3Functions kIncludedXxh3{
    .hash64 = [](const void* bytes, size_t size) -> uint64_t { return XXH3_64bits(bytes, size); },
    .create128 = []() -> void* { return XXH3_createState(); },
    .free128 = [](void* state) { XXH3_freeState(static_cast<XXH3_state_t*>(state)); },
    .reset128 = [](void* state) { XXH3_128bits_reset(static_cast<XXH3_state_t*>(state)); },
    .update128 =
        [](void* state, const void* bytes, size_t size) {
          XXH3_128bits_update(static_cast<XXH3_state_t*>(state), bytes, size);
        },
    .digest128 =
        [](const void* state, void* out) {
          XXH128_canonicalFromHash(static_cast<XXH128_canonical_t*>(out),
                                   XXH3_128bits_digest(static_cast<const XXH3_state_t*>(state)));
        }};

}  // namespace
}  // namespace hmem::format
