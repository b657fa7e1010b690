// SPDX-License-Identifier: GPL-2.0-or-later
// Time as the capture kernel counts it, and the milestones on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hmem::init {

// Milliseconds since the capture kernel started; not moved by anyone setting the clock.
uint64_t UptimeMs();

class Timeline {
 public:
  void Mark(std::string_view event, uint64_t uptime_ms) { events_.emplace_back(event, uptime_ms); }
  // "timeline: userland=1.234 target=1.500"
  std::string Text() const;

 private:
  std::vector<std::pair<std::string, uint64_t>> events_;
};

}  // namespace hmem::init
