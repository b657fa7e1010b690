// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/findings.h"

#include <algorithm>
#include <limits>

namespace hmem {

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kLoss:
      return "loss";
    case Severity::kError:
      return "error";
  }
  return "unknown";
}

void Findings::Add(Severity severity, std::string_view id, std::string_view place,
                   std::string_view text) {
  Finding finding{.id = std::string(id),
                  .severity = severity,
                  .count = 1,
                  .places = {},
                  .text = std::string(text)};
  if (!place.empty()) finding.places.emplace_back(place);
  Add(finding);
}

void Findings::Add(const Finding& finding) {
  auto it = std::find_if(findings_.begin(), findings_.end(),
                         [&](const Finding& f) { return f.id == finding.id; });
  if (it == findings_.end()) {
    if (findings_.size() >= kMaxKinds) {
      ++dropped_;
      return;
    }
    it = findings_.insert(findings_.end(), Finding{.id = finding.id,
                                                   .severity = finding.severity,
                                                   .count = 0,
                                                   .places = {},
                                                   .text = finding.text});
  }
  uint64_t count = std::max<uint64_t>(finding.count, 1);
  it->count += std::min(count, std::numeric_limits<uint64_t>::max() - it->count);
  it->severity = std::max(it->severity, finding.severity);
  for (const std::string& place : finding.places) {
    if (it->places.size() < kMaxPlaces) it->places.push_back(place);
  }
}

bool Findings::HasLosses() const {
  return dropped_ > 0 || std::any_of(findings_.begin(), findings_.end(), [](const Finding& f) {
           return f.severity != Severity::kInfo;
         });
}

void Findings::Merge(const Findings& other) {
  for (const Finding& theirs : other.findings_) Add(theirs);
  dropped_ += other.dropped_;
}

}  // namespace hmem
