// SPDX-License-Identifier: GPL-2.0-or-later
// Which pages to read and which to leave out: a row of runs in pfn order. A dump is one scan, or
// one a tier.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "dumptools/capture/classify/page_class.h"
#include "hmem/base/address.h"

namespace hmem::capture {

// Pages in a row with one answer.
struct ScannedRun {
  PfnRange pages;
  PageClass page_class = PageClass::kUnknown;
  bool keep = true;
};

class PageScan {
 public:
  virtual ~PageScan() = default;
  // The next run, of at least one page; false behind the last. Runs are disjoint, ascend, and lie
  // in the RAM of the source, each in one range of it. Pages in no run are none of this scan's
  // business. Never fails: what cannot be classified is kept.
  virtual bool Next(ScannedRun& run) = 0;
};

// The same scan from its beginning: formats that must know sizes before they write go over memory
// more than once.
using ScanFactory = std::function<std::unique_ptr<PageScan>()>;

}  // namespace hmem::capture
