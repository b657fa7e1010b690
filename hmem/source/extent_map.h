// SPDX-License-Identifier: GPL-2.0-or-later
// Where each physical byte of a source that knows ranges comes from (an ELF core, /dev/hmem), once
// overlapping ones are sorted out.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/findings.h"
#include "hmem/source/memory_source.h"

namespace hmem::source {

// Highest first: where pieces overlap, the earlier kind wins.
enum class ExtentKind {
  kData,       // in the file, or the device
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

  // Extents that touch each other as one range: MemorySource::ram() when padding is in the map.
  std::vector<PhysRange> Ranges() const;
  // As MemorySource::FateFrom.
  PageFateRun FateFrom(Pfn pfn, uint64_t most_pages, uint32_t page_bytes) const;

 private:
  std::vector<Extent> extents_;
};

// kPadding for the parts of the first and last page that `range` leaves free. `range` ends at least
// a page before 2^64.
void AddPadding(PhysRange range, uint32_t page_bytes, std::vector<Extent>& pieces);

// Reads all kData of `source`, whose map is `extents`. What cannot be read is a finding
// "<id>.short" (kTruncated) or "<id>.unreadable", page by page.
void VerifyExtents(const MemorySource& source, const ExtentMap& extents, std::string_view id,
                   Findings& findings);

}  // namespace hmem::source
