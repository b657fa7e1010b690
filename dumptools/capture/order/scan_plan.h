// SPDX-License-Identifier: GPL-2.0-or-later
// From what was asked for to the scans of a dump. Memory: two sets of runs of at most 2 MiB, and
// the crashed kernel where its objects are walked, until its owner closes it.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "dumptools/capture/classify/page_map.h"
#include "dumptools/capture/filter/page_filter.h"
#include "dumptools/capture/filter/pfn_runs.h"
#include "dumptools/capture/filter/wanted_tasks.h"
#include "dumptools/capture/order/tier_scan.h"
#include "dumptools/capture/pipeline/pipeline.h"
#include "dumptools/walk/lazy_kernel.h"
#include "hmem/base/findings.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

struct ScanRequest {
  PageFilter filter;
  bool by_value = true;
  bool classify = true;  // false: no struct page is looked at, not even for poisoned pages
  std::vector<Wanted> wanted;
  // Walking for the first tier and for what is wanted ends after so long.
  std::chrono::steady_clock::duration walk_time = std::chrono::seconds(5);
};

class ScanPlan {
 public:
  // Source and findings must outlive it; the kernel is of that source and is not needed afterwards.
  // Never fails: a kernel that cannot be walked is taken in address order, one whose pages cannot
  // be classified as a whole, and findings say so. `findings` is also told what scanning meets.
  ScanPlan(const source::MemorySource& source, walk::LazyKernel& kernel, const ScanRequest& request,
           Findings& findings);

  // By value, where asked for and possible: three passes; else one. The scans are the plan's.
  std::vector<Tier> Tiers();
  // One pass over everything in address order, from the start.
  std::unique_ptr<PageScan> AddressOrder() const;

  bool by_value() const { return by_value_; }
  // Nothing: pages cannot be told apart.
  const PageMap* page_map() const { return map_.get(); }
  // Kept whatever the filter says of its class.
  bool Wants(Pfn pfn, PageClass page_class) const;

 private:
  void OpenMap(const types::TypeDb* types);
  void Walk(walk::LazyKernel& lazy_kernel, const ScanRequest& request);

  const source::MemorySource& source_;
  PageFilter filter_;
  Findings& findings_;
  bool by_value_ = false;
  std::unique_ptr<PageMap> map_;
  PfnRuns first_tier_, wanted_;
  ScanRules rules_;
  std::vector<std::unique_ptr<PageScan>> scans_;
};

}  // namespace hmem::capture
