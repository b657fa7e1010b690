// SPDX-License-Identifier: GPL-2.0-or-later
// From the runs of a scan to batches: what is to be read, what was left out, and what the source
// cannot give, so that workers meet only pages that it says it has.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "dumptools/capture/filter/page_scan.h"
#include "dumptools/capture/pipeline/page_batch.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

class BatchPlanner {
 public:
  // Both must outlive it.
  BatchPlanner(const source::MemorySource& source, PageScan& scan);

  // Plans the next batch, which is cleared first; false when there is nothing left.
  bool Fill(PageBatch& batch);

 private:
  // The next stretch of the scan that one PlannedRun can tell of, or that is missing.
  bool Advance(PageBatch& batch);
  void TellMissing(PageBatch& batch, PfnRange pages) const;

  const source::MemorySource& source_;
  PageScan& scan_;
  ScannedRun run_{};                           // what is left of it
  std::optional<PageBatch::PlannedRun> next_;  // the front of run_, not yet planned
  std::vector<std::byte> probe_;               // one page
};

}  // namespace hmem::capture
