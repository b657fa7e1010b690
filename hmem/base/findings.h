// SPDX-License-Identifier: GPL-2.0-or-later
// Damage in the data, as it is met: bounded, deduplicated by id, never an error of ours.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hmem {

enum class Severity { kInfo, kLoss, kError };

std::string_view SeverityName(Severity severity);  // "info", "loss", "error"

struct Finding {
  std::string id;  // stable, lower-case, dotted: "source.elf.segment-overlap"
  Severity severity = Severity::kInfo;
  uint64_t count = 0;               // how often it was met
  std::vector<std::string> places;  // the first few: "phys 0x1000", "pid 17", "file offset 0x40"
  std::string text;                 // one sentence: what was met and what was done instead
};

// Holds at most kMaxKinds ids and kMaxPlaces places of each; later kinds are counted in dropped().
class Findings {
 public:
  static constexpr size_t kMaxKinds = 256;
  static constexpr size_t kMaxPlaces = 4;

  void Add(Severity severity, std::string_view id, std::string_view place, std::string_view text);
  // With its count (at least 1) and its places.
  void Add(const Finding& finding);
  std::span<const Finding> all() const { return findings_; }
  uint64_t dropped() const { return dropped_; }
  // True when anything of kLoss or kError was added: the tool then exits 3.
  bool HasLosses() const;
  void Merge(const Findings& other);

 private:
  std::vector<Finding> findings_;
  uint64_t dropped_ = 0;
};

}  // namespace hmem
