// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/order/scan_plan.h"

#include <algorithm>

#include "dumptools/capture/order/first_tier.h"
#include "dumptools/walk/kernel.h"

namespace hmem::capture {
namespace {

constexpr size_t kRunsBytes = 2 << 20;

}  // namespace

ScanPlan::ScanPlan(const source::MemorySource& source, walk::LazyKernel& kernel,
                   const ScanRequest& request, Findings& findings)
    : source_(source),
      filter_(request.filter),
      findings_(findings),
      first_tier_(kRunsBytes),
      wanted_(kRunsBytes) {
  const uint64_t page_bytes = source.page_bytes();
  for (const Wanted& wanted : request.wanted) {
    if (wanted.kind != Wanted::Kind::kRange) continue;
    wanted_.Add({Pfn(wanted.range.start.value / page_bytes),
                 Pfn(wanted.range.end.value / page_bytes +
                     (wanted.range.end.value % page_bytes != 0 ? 1 : 0))});
  }
  const bool walks =
      request.by_value || std::any_of(request.wanted.begin(), request.wanted.end(),
                                      [](const Wanted& w) { return w.needs_kernel(); });
  if (walks) {
    Walk(kernel, request);
  } else if (request.classify) {
    OpenMap(nullptr);
  }
  wanted_.Seal();
  rules_ = {.source = &source_,
            .map = map_ ? &map_->map() : nullptr,
            .layout = map_ ? &map_->layout() : nullptr,
            .filter = &filter_,
            .first_tier = by_value_ ? &first_tier_ : nullptr,
            .wanted = wanted_.empty() ? nullptr : &wanted_};
}

void ScanPlan::OpenMap(const types::TypeDb* types) {
  auto map = PageMap::Open(source_, types, findings_);
  if (map) {
    map_ = *std::move(map);
    return;
  }
  // Nobody misses what was not asked for.
  findings_.Add(filter_.needs_classes() ? Severity::kLoss : Severity::kInfo, "classify.none",
                map.error().ToString(), "pages cannot be told apart: all are kept");
}

void ScanPlan::Walk(walk::LazyKernel& lazy_kernel, const ScanRequest& request) {
  const auto until = std::chrono::steady_clock::now() + request.walk_time;
  const auto& kernel = lazy_kernel.Get({.modules = false});
  const types::TypeDb* types = nullptr;
  if (kernel) {
    if (auto known = (*kernel)->types()) types = *known;
  }
  OpenMap(types);
  if (!kernel) {
    findings_.Add(Severity::kInfo, "order.no-kernel", kernel.error().ToString(),
                  "the crashed kernel cannot be walked: pages are saved in address order");
    return;
  }
  for (const Wanted& wanted : request.wanted) {
    if (wanted.needs_kernel()) CollectTask(**kernel, wanted, until, wanted_, findings_);
  }
  if (!request.by_value) return;
  CollectFirstTier(**kernel, until, first_tier_, findings_);
  by_value_ = !first_tier_.empty();
}

std::vector<Tier> ScanPlan::Tiers() {
  using Part = TierScan::Part;
  scans_.clear();
  std::vector<Tier> tiers;
  auto add = [&](uint32_t number, Part part) {
    scans_.push_back(std::make_unique<TierScan>(rules_, part, findings_));
    tiers.push_back({.number = number, .scan = scans_.back().get()});
  };
  if (by_value_) {
    add(1, Part::kFirst);
    add(2, Part::kSecond);
    if (HasThirdTier(filter_)) add(3, Part::kThird);
  } else {
    add(0, Part::kAll);
  }
  return tiers;
}

bool ScanPlan::Wants(Pfn pfn, PageClass page_class) const {
  return IsWanted(rules_.wanted, pfn, page_class);
}

std::unique_ptr<PageScan> ScanPlan::AddressOrder() const {
  return std::make_unique<TierScan>(rules_, TierScan::Part::kAll, findings_);
}

}  // namespace hmem::capture
