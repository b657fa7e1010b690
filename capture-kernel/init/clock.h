// SPDX-License-Identifier: GPL-2.0-or-later
// Time as the capture kernel counts it, and the milestones on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hmem::init {

// Milliseconds since the capture kernel started; not moved by anyone setting the clock.
uint64_t UptimeMs();
// The same in nanoseconds.
uint64_t UptimeNs();

class Timeline {
 public:
  // `word` is for the console, `name` for the record: "target", "target ready".
  void Mark(std::string_view word, std::string_view name, uint64_t uptime_ns) {
    events_.push_back({std::string(word), std::string(name), uptime_ns});
  }
  // "timeline: userland=1.234 target=1.500"
  std::string Text() const;
  // "timeline.target ready=1500000000", a line each, as hmemdump --identity reads them.
  std::string IdentityLines() const;

 private:
  struct Event {
    std::string word;
    std::string name;
    uint64_t uptime_ns;
  };
  std::vector<Event> events_;
};

}  // namespace hmem::init
