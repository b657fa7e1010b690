// SPDX-License-Identifier: GPL-2.0-or-later
// --explain: what one page is, by which rule, and what a dump would do with it.
#pragma once

#include <cstdint>

#include "dumptools/capture/classify/page_classifier.h"
#include "dumptools/tools/hmemdump/options.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::dump {

struct ExplainedPage {
  uint64_t pfn = 0;
  uint32_t page_bytes = 0;
  capture::PageExplanation page;
  bool wanted = false;  // --keep names it
  bool kept = false;    // but for a page of zeros, which only reading tells
};

// kNotFound: no RAM there. What keeps pages from being classified is in `findings`.
Result<ExplainedPage> ExplainPage(const source::MemorySource& source, const Options& options,
                                  Findings& findings);

// On stdout, as text or, with --json, as JSON. kIo.
Status PrintExplanation(const ExplainedPage& page, const Options& options);

}  // namespace hmem::dump
