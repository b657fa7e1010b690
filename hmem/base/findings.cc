// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/findings.h"

#include <algorithm>

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
  auto it = std::find_if(findings_.begin(), findings_.end(),
                         [&](const Finding& f) { return f.id == id; });
  if (it == findings_.end()) {
    if (findings_.size() >= kMaxKinds) {
      ++dropped_;
      return;
    }
    it = findings_.insert(findings_.end(), Finding{.id = std::string(id),
                                                   .severity = severity,
                                                   .count = 0,
                                                   .places = {},
                                                   .text = std::string(text)});
  }
  ++it->count;
  it->severity = std::max(it->severity, severity);
  if (!place.empty() && it->places.size() < kMaxPlaces) it->places.emplace_back(place);
}

bool Findings::HasLosses() const {
  return dropped_ > 0 || std::any_of(findings_.begin(), findings_.end(), [](const Finding& f) {
           return f.severity != Severity::kInfo;
         });
}

void Findings::Merge(const Findings& other) {
  for (const Finding& theirs : other.findings_) {
    auto it = std::find_if(findings_.begin(), findings_.end(),
                           [&](const Finding& f) { return f.id == theirs.id; });
    if (it == findings_.end()) {
      if (findings_.size() < kMaxKinds)
        findings_.push_back(theirs);
      else
        ++dropped_;
      continue;
    }
    it->count += theirs.count;
    it->severity = std::max(it->severity, theirs.severity);
    for (const std::string& place : theirs.places) {
      if (it->places.size() < kMaxPlaces) it->places.push_back(place);
    }
  }
  dropped_ += other.dropped_;
}

}  // namespace hmem
