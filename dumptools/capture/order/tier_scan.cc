// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/order/tier_scan.h"

#include <algorithm>

namespace hmem::capture {
namespace {

bool IsKernels(PageClass page_class) {
  switch (page_class) {
    case PageClass::kUnknown:
    case PageClass::kSlab:
    case PageClass::kPageTable:
    case PageClass::kKernel:
      return true;
    default:
      return false;
  }
}

// Where the answer "is it in the set" for `pfn` changes, and that answer.
struct Membership {
  bool in = false;
  Pfn until;
};

Membership In(const PfnRuns* set, Pfn pfn, Pfn end) {
  if (set == nullptr) return {.in = false, .until = end};
  size_t at = set->FirstEndingBehind(pfn);
  if (at == set->runs().size()) return {.in = false, .until = end};
  const PfnRange& run = set->runs()[at];
  if (run.contains(pfn)) return {.in = true, .until = std::min(run.end, end)};
  return {.in = false, .until = std::min(run.start, end)};
}

}  // namespace

// What is not there, or must not be touched, nobody can want.
bool IsWanted(const PfnRuns* set, Pfn pfn, PageClass page_class) {
  return page_class != PageClass::kPoisoned && page_class != PageClass::kOffline &&
         In(set, pfn, pfn + 1).in;
}

bool HasThirdTier(const PageFilter& filter) {
  for (int i = 0; i < kPageClasses; ++i) {
    const auto page_class = static_cast<PageClass>(i);
    // No struct page says of these what they are.
    if (page_class == PageClass::kFilteredBefore || page_class == PageClass::kZero) continue;
    if (!IsKernels(page_class) && !filter.Excludes(page_class)) return true;
  }
  return false;
}

TierScan::TierScan(const ScanRules& rules, Part part, Findings& findings)
    : rules_(rules), part_(part) {
  if (rules.map != nullptr) classifier_.emplace(*rules.map, *rules.layout, findings);
}

bool TierScan::NextClassified() {
  const uint64_t page_bytes = rules_.source->page_bytes();
  auto ram = rules_.source->ram();
  while (range_ < ram.size()) {
    const PfnRange range{Pfn(ram[range_].start.value / page_bytes),
                         Pfn(ram[range_].end.value / page_bytes)};
    if (!inside_) {
      at_ = range.start;
      inside_ = true;
    }
    Pfn end = range.end;
    if (part_ == Part::kFirst) {
      // Only what lies in the set is looked at.
      Membership here = In(rules_.first_tier, at_, range.end);
      if (!here.in) at_ = here.until;
      end = In(rules_.first_tier, at_, range.end).until;
    }
    if (at_ >= range.end) {
      ++range_;
      inside_ = false;
      continue;
    }
    class_run_ = classifier_ ? classifier_->Next({at_, end}) : ClassifiedRun{.pages = {at_, end}};
    at_ = class_run_.pages.end;
    return true;
  }
  return false;
}

std::optional<ScannedRun> TierScan::TakeFront() {
  PfnRange& left = class_run_.pages;
  const PageClass page_class = class_run_.page_class;
  bool keep = !rules_.filter->Excludes(page_class);
  Pfn until = left.end;
  const bool wanted = IsWanted(rules_.wanted, left.start, page_class);
  until = In(rules_.wanted, left.start, until).until;
  keep = keep || wanted;
  Membership first = part_ == Part::kAll ? Membership{.in = false, .until = until}
                                         : In(rules_.first_tier, left.start, until);
  until = first.until;
  ScannedRun run{.pages = {left.start, until}, .page_class = page_class, .keep = keep};
  left.start = until;
  const bool second = IsKernels(page_class) || wanted;
  switch (part_) {
    // A scan that begins elsewhere may take a damaged struct page for something else: each page is
    // told by one.
    case Part::kFirst:
      return first.in ? std::optional(run) : std::nullopt;
    case Part::kSecond:
      return !first.in && (!keep || second) ? std::optional(run) : std::nullopt;
    case Part::kThird:
      return keep && !second && !first.in ? std::optional(run) : std::nullopt;
    case Part::kAll:
      return run;
  }
  return run;
}

bool TierScan::Next(ScannedRun& run) {
  for (;;) {
    while (!class_run_.pages.empty()) {
      if (auto front = TakeFront()) {
        run = *front;
        return true;
      }
    }
    if (!NextClassified()) return false;
  }
}

}  // namespace hmem::capture
