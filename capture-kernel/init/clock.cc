// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace hmem::init {

uint64_t UptimeMs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

std::string Timeline::Text() const {
  std::string text = "timeline:";
  for (const auto& [event, ms] : events_)
    text += fmt::format(" {}={}.{:03}", event, ms / 1000, ms % 1000);
  return text;
}

}  // namespace hmem::init
