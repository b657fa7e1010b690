// SPDX-License-Identifier: GPL-2.0-or-later
// A kdump-compressed dump that was split over several files (makedumpfile --split): each has the
// headers and bitmaps of all of it, and the pages of one stretch of pfns.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::source {

struct KdumpPart {
  std::unique_ptr<MemorySource> source;
  PfnRange pages;
};

Result<KdumpPart> OpenKdumpPart(const std::string& path, const OpenOptions& options);

// At most this many files.
inline constexpr size_t kMaxKdumpParts = 1024;

// In any order. Pages whose part is not there are not reached, with a finding. kInvalidArgument:
// files that are no parts of one dump.
Result<std::unique_ptr<MemorySource>> OpenKdumpSet(std::span<const std::string> paths,
                                                   const OpenOptions& options);

}  // namespace hmem::source
