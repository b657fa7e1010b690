// SPDX-License-Identifier: GPL-2.0-or-later
// Compiled for AVX2. No inline function of another header may be in here: the linker could take the
// copy of it that has AVX2 in it for the whole program.
#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2
#include <xxhash.h>

#include "hmem/format/xxh3_functions.h"

namespace hmem::format {

const Xxh3Functions kAvx2Xxh3 = kIncludedXxh3;

}  // namespace hmem::format
