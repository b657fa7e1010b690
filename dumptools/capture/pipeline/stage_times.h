// SPDX-License-Identifier: GPL-2.0-or-later
// Where the time of a dump went. Stages overlap where there are workers: the times of all threads
// are added up, so that they may be more than the clock on the wall.
#pragma once

#include <chrono>

namespace hmem::capture {

struct StageTimes {
  using Duration = std::chrono::steady_clock::duration;

  Duration record{0};  // found or built
  Duration walk{0};    // of the crashed kernel's objects, for the order of pages
  Duration scan{0};    // struct pages to classes, classes to batches
  Duration read{0};    // pages of the source
  Duration pack{0};    // with their digest
  Duration write{0};   // to the target, what the kernel makes us wait for included
  Duration sync{0};    // until all of it is durable
};

// Runs `what`, adds its time to `sum`, and returns what it returned.
template <typename What>
auto Timed(StageTimes::Duration& sum, What what) {
  struct Clock {
    StageTimes::Duration& sum;
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    ~Clock() { sum += std::chrono::steady_clock::now() - start; }
  } clock{sum};
  return what();
}

}  // namespace hmem::capture
