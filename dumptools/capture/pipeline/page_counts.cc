// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_counts.h"

namespace hmem::capture {

void PageCounts::Add(const PageBatch& batch) {
  for (const KeptRun& run : batch.kept()) kept += run.count;
  for (const FateOfRun& run : batch.fates()) {
    switch (run.fate) {
      case format::StoredFate::kZero:
        zero += run.count;
        break;
      case format::StoredFate::kExcluded:
        excluded += run.count;
        excluded_by_class.at(static_cast<size_t>(run.page_class)) += run.count;
        break;
      case format::StoredFate::kUnreadable:
        unreadable += run.count;
        break;
    }
  }
  missing += batch.missing();
  for (const PageBatch::PlannedRun& run : batch.plan()) {
    if (run.read) read_by_class.at(static_cast<size_t>(run.page_class)) += run.pages.size();
  }
}

void PageCounts::Lose(const format::FateRun& run) {
  missing += run.count;
  switch (run.fate) {
    case format::StoredFate::kZero:
      zero -= run.count;
      break;
    case format::StoredFate::kExcluded:
      excluded -= run.count;
      excluded_by_class.at(run.page_class) -= run.count;
      break;
    case format::StoredFate::kUnreadable:
      unreadable -= run.count;
      break;
  }
}

}  // namespace hmem::capture
