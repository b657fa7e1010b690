// SPDX-License-Identifier: GPL-2.0-or-later
// Where each physical byte of an ELF core comes from, once overlapping segments are sorted out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hmem/base/address.h"

namespace hmem::source {

// Highest first: where pieces overlap, the earlier kind wins.
enum class ExtentKind {
  kData,       // in the file
  kTruncated,  // would be in the file, which ends before it
  kExcluded,   // memory without file bytes: left out when the dump was written
  kPadding,    // the rest of a page that a segment covers in part: reads as zeros
};

struct Extent {
  PhysRange phys;
  ExtentKind kind = ExtentKind::kPadding;
  uint64_t file_offset = 0;  // of phys.start; kData and kTruncated
};

// Disjoint extents in address order.
class ExtentMap {
 public:
  ExtentMap() = default;
  // Among overlapping pieces of one kind the larger wins (the RAM segment rather than the kernel
  // text inside it, so that reading in address order is reading in file order), then the earlier.
  explicit ExtentMap(std::vector<Extent> pieces);

  std::span<const Extent> all() const { return extents_; }
  // The extent that holds `addr`; nullptr in a hole.
  const Extent* Find(PhysAddr addr) const;
  // Extents that touch the range.
  std::span<const Extent> Touching(PhysRange range) const;

 private:
  std::vector<Extent> extents_;
};

}  // namespace hmem::source
