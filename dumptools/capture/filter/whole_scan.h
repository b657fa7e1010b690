// SPDX-License-Identifier: GPL-2.0-or-later
// Every page of RAM is kept, in address order.
#pragma once

#include <cstddef>
#include <span>

#include "dumptools/capture/filter/page_scan.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

class WholeScan final : public PageScan {
 public:
  // `source` must outlive it.
  explicit WholeScan(const source::MemorySource& source) : source_(source) {}

  bool Next(ScannedRun& run) override;

 private:
  const source::MemorySource& source_;
  size_t range_ = 0;
};

// Pages of the source's RAM.
uint64_t CountRamPages(const source::MemorySource& source);

}  // namespace hmem::capture
