// SPDX-License-Identifier: GPL-2.0-or-later
// The one thing every layer above needs from a dump: bytes at a physical address.
#pragma once

#include <cstddef>
#include <span>

#include "hmem/base/address.h"
#include "hmem/base/result.h"

namespace hmem {

class PhysReader {
 public:
  virtual ~PhysReader() = default;
  // Fills all of `out` or fails; `out` may cross pages and segments.
  // kNotFound: a hole, no RAM there. kExcluded: filtered out. kTruncated: the dump was cut before
  // it. kIo: could not be read.
  virtual Status Read(PhysAddr addr, std::span<std::byte> out) const = 0;
};

}  // namespace hmem
