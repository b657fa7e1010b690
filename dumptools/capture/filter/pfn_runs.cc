// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/pfn_runs.h"

#include <algorithm>

namespace hmem::capture {

PfnRuns::PfnRuns(size_t max_bytes) : max_runs_(std::max<size_t>(max_bytes / sizeof(PfnRange), 2)) {}

bool PfnRuns::Add(PfnRange pages) {
  if (pages.empty()) return true;
  if (!runs_.empty() && sealed_ < runs_.size()) {
    // What is walked tends to lie together.
    PfnRange& last = runs_.back();
    if (pages.start >= last.start && pages.start <= last.end) {
      last.end = std::max(last.end, pages.end);
      return true;
    }
  }
  if (runs_.size() == max_runs_) {
    Seal();
    // Half of the table must come free, or sealing would be all that is done from here on.
    if (runs_.size() > max_runs_ / 2) {
      size_t at = FirstEndingBehind(pages.start);
      return at < runs_.size() && runs_[at].start <= pages.start && pages.end <= runs_[at].end;
    }
  }
  runs_.push_back(pages);
  return true;
}

void PfnRuns::Seal() {
  if (sealed_ == runs_.size()) return;
  std::sort(runs_.begin(), runs_.end());
  size_t kept = 0;
  for (const PfnRange& run : runs_) {
    if (kept != 0 && run.start <= runs_[kept - 1].end) {
      runs_[kept - 1].end = std::max(runs_[kept - 1].end, run.end);
    } else {
      runs_[kept++] = run;
    }
  }
  runs_.resize(kept);
  sealed_ = kept;
}

size_t PfnRuns::FirstEndingBehind(Pfn pfn) const {
  auto found = std::upper_bound(runs_.begin(), runs_.end(), pfn,
                                [](Pfn at, const PfnRange& run) { return at < run.end; });
  return static_cast<size_t>(found - runs_.begin());
}

}  // namespace hmem::capture
