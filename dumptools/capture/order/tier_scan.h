// SPDX-License-Identifier: GPL-2.0-or-later
// One pass over RAM that keeps what is of one tier of value (docs/architecture.md): the first is a
// set that was found by walking, the second what the kernel itself uses, the third the rest of what
// the filter keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dumptools/capture/classify/page_classifier.h"
#include "dumptools/capture/filter/page_filter.h"
#include "dumptools/capture/filter/page_scan.h"
#include "dumptools/capture/filter/pfn_runs.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

// What the scans of one dump have in common; all must outlive them. Sets are sealed.
struct ScanRules {
  const source::MemorySource* source = nullptr;
  const walk::MemMap* map = nullptr;  // absent: every page is of unknown class
  const PageLayout* layout = nullptr;
  const PageFilter* filter = nullptr;
  const PfnRuns* first_tier = nullptr;  // may be absent
  // Pages that are kept whatever the filter says of their class; may be absent.
  const PfnRuns* wanted = nullptr;
};

// `set`, which may be absent, has `pfn`, and it is there and may be touched.
bool IsWanted(const PfnRuns* set, Pfn pfn, PageClass page_class);

// True when pages of some class that is not the kernel's pass the filter: without, the third tier
// has only what is wanted of left-out classes, which is in the second.
bool HasThirdTier(const PageFilter& filter);

class TierScan final : public PageScan {
 public:
  enum class Part {
    kFirst,   // pages of the first tier, and which of them are left out
    kSecond,  // the kernel's other pages; this scan tells of all else that is left out
    kThird,   // the rest
    kAll,     // everything in one pass, for formats in address order
  };

  TierScan(const ScanRules& rules, Part part, Findings& findings);

  bool Next(ScannedRun& run) override;

 private:
  // The next run of one class, of the part's pages.
  bool NextClassified();
  // The front of class_run_ that has one answer, taken off it; nothing: none of this part's.
  std::optional<ScannedRun> TakeFront();

  const ScanRules& rules_;
  Part part_;
  std::optional<PageClassifier> classifier_;
  // RAM as pfns, or the first tier.
  size_t range_ = 0;
  Pfn at_{0};
  bool inside_ = false;
  ClassifiedRun class_run_{};
};

}  // namespace hmem::capture
