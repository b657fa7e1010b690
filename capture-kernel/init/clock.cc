// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace hmem::init {

uint64_t UptimeNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t UptimeMs() { return UptimeNs() / 1'000'000; }

std::string Timeline::Text() const {
  std::string text = "timeline:";
  for (const Event& event : events_) {
    uint64_t ms = event.uptime_ns / 1'000'000;
    text += fmt::format(" {}={}.{:03}", event.word, ms / 1000, ms % 1000);
  }
  return text;
}

std::string Timeline::IdentityLines() const {
  std::string text;
  for (const Event& event : events_)
    text += fmt::format("timeline.{}={}\n", event.name, event.uptime_ns);
  return text;
}

}  // namespace hmem::init
