// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/xxh3.h"

#include <xxhash.h>

#include "hmem/format/xxh3_functions.h"

namespace hmem::format {

const Xxh3Functions kPortableXxh3 = kIncludedXxh3;

const Xxh3Functions& FastestXxh3() {
#if defined(__x86_64__)
  static const Xxh3Functions& fastest = __builtin_cpu_supports("avx2") ? kAvx2Xxh3 : kPortableXxh3;
  return fastest;
#else
  return kPortableXxh3;
#endif
}

}  // namespace hmem::format
