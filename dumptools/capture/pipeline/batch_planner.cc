// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/batch_planner.h"

#include <fmt/format.h>

#include <algorithm>

#include "dumptools/capture/pipeline/page_reader.h"

namespace hmem::capture {

using source::PageFate;
using source::PageFateRun;

namespace {

// A batch ends here even when nothing of it is read: deadlines are looked at between batches.
constexpr uint64_t kMaxPagesPerBatch = 1 << 20;

}  // namespace

BatchPlanner::BatchPlanner(const source::MemorySource& source, PageScan& scan)
    : source_(source), scan_(scan), probe_(source.page_bytes()) {}

bool BatchPlanner::Fill(PageBatch& batch) {
  batch.Clear();
  uint64_t pages = 0;
  while (pages < kMaxPagesPerBatch) {
    uint64_t missing = batch.missing();
    if (!next_ && !Advance(batch)) break;
    pages += batch.missing() - missing;
    if (!next_) continue;
    uint64_t taken = batch.Plan(*next_);
    if (taken == 0) return true;
    pages += taken;
    next_->pages.start = next_->pages.start + taken;
    if (next_->pages.empty()) next_.reset();
  }
  return pages != 0;
}

bool BatchPlanner::Advance(PageBatch& batch) {
  while (run_.pages.empty()) {
    if (!scan_.Next(run_)) return false;
  }
  const Pfn start = run_.pages.start;
  if (!run_.keep) {
    next_ = {.pages = run_.pages, .page_class = run_.page_class};
    run_.pages.start = run_.pages.end;
    return true;
  }
  PageFateRun fate = source_.FateFrom(start, run_.pages.size());
  // Sources that tell page by page shall not make runs of one page.
  uint64_t pages = fate.pages;
  while (fate.fate == PageFate::kPresent && pages < run_.pages.size() && pages < 256) {
    PageFateRun more = source_.FateFrom(start + pages, run_.pages.size() - pages);
    if (more.fate != PageFate::kPresent) break;
    pages += more.pages;
  }
  PfnRange stretch{start, start + std::min(pages, run_.pages.size())};
  run_.pages.start = stretch.end;
  if (fate.fate == PageFate::kPresent) {
    next_ = {.pages = stretch, .page_class = run_.page_class, .read = true};
    return true;
  }
  // The source says why when it is asked for one of them.
  Status status = source_.Read(PhysAddr(start.value * source_.page_bytes()), probe_);
  Error error = status ? Error(ErrorCode::kCorrupt, "the source has pages that it says it lacks")
                       : status.error();
  if (error.code() == ErrorCode::kTruncated) {
    TellMissing(batch, stretch);
    return true;
  }
  next_ = FateOfUnreadable(error, stretch, batch.findings());
  return true;
}

void BatchPlanner::TellMissing(PageBatch& batch, PfnRange pages) const {
  batch.AddMissing(pages.size());
  batch.findings().Add(Severity::kLoss, "capture.source-cut", PlaceOf(pages),
                       "the source does not reach these pages");
}

}  // namespace hmem::capture
