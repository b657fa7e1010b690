// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/device/speed.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <vector>

#include "tests/device/old_memory.h"

namespace hmem::device_test {
namespace {

constexpr int kTurns = 7;
constexpr uint64_t kMostBytes = 512 * kMiB;

// All bytes are looked at, as a search for zero pages does: a mapping costs nothing until then.
uint64_t Or(const std::byte* bytes, size_t count) {
  uint64_t all = 0;
  for (size_t i = 0; i < count; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + i, sizeof(word));
    all |= word;
  }
  return all;
}

struct Way {
  std::string_view name;
  // Gets `range` and returns the OR of its words; false in `ok` when it could not.
  std::function<uint64_t(PhysRange range, bool* ok)> run;
};

uint64_t ReadAll(int fd, uint64_t offset, uint64_t bytes, std::span<std::byte> buffer, bool* ok) {
  uint64_t all = 0;
  for (uint64_t done = 0; done < bytes; done += buffer.size()) {
    *ok &= Pread(fd, buffer.data(), buffer.size(), offset + done) ==
           static_cast<int64_t>(buffer.size());
    all |= Or(buffer.data(), buffer.size());
  }
  return all;
}

uint64_t MapAll(int fd, uint64_t offset, uint64_t bytes, uint64_t window, bool* ok) {
  uint64_t all = 0;
  for (uint64_t done = 0; done < bytes; done += window) {
    const Mapping mapping(fd, offset + done, window);
    *ok &= mapping.error() == 0;
    all |= Or(mapping.data(), mapping.bytes().size());
  }
  return all;
}

uint64_t ReadvAll(int fd, PhysRange range, uint32_t each, std::span<std::byte> buffer, bool* ok) {
  uint64_t all = 0;
  std::vector<hmem_range> ranges(buffer.size() / each);
  for (uint64_t done = 0; done < range.size(); done += buffer.size()) {
    for (size_t i = 0; i < ranges.size(); ++i)
      ranges[i] = {.phys = range.start.value + done + i * each, .bytes = each};
    hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(ranges.data()),
                        .buffer = reinterpret_cast<uintptr_t>(buffer.data()),
                        .buffer_bytes = buffer.size(),
                        .count = static_cast<uint32_t>(ranges.size())};
    *ok &= Ioctl(fd, HMEM_READV, &asked) == 0 &&
           std::ranges::all_of(ranges, [&](const hmem_range& one) { return one.done == each; });
    all |= Or(buffer.data(), buffer.size());
  }
  return all;
}

// Adds what one way needs for a part of the range.
std::chrono::duration<double> Time(const Way& way, PhysRange part, uint64_t* all, bool* ok) {
  const auto start = std::chrono::steady_clock::now();
  *all = way.run(part, ok);
  return std::chrono::steady_clock::now() - start;
}

}  // namespace

void MeasureSpeed() {
  Check check(STDERR_FILENO);
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  constexpr uint64_t kUnit = 64 * kMiB;
  PhysRange range = memory.Big();
  range.start = PhysAddr((range.start.value + kUnit - 1) / kUnit * kUnit);
  range.end = range.start + std::min(kMostBytes, (range.end - range.start) / kUnit * kUnit);
  const auto offset = [&](PhysRange part) {
    uint64_t left = 0;
    return vmcore.OffsetOf(part.start, &left);
  };
  std::vector<std::byte> buffer(kMiB);
  const int device = memory.fd.get();
  const std::vector<Way> ways = {
      {"/proc/vmcore, read, 1 MiB",
       [&](PhysRange r, bool* ok) {
         return ReadAll(vmcore.fd(), offset(r), r.size(), buffer, ok);
       }},
      {"/proc/vmcore, mmap, 4 MiB",
       [&](PhysRange r, bool* ok) {
         return MapAll(vmcore.fd(), offset(r), r.size(), 4 * kMiB, ok);
       }},
      {"/dev/hmem, read, 1 MiB",
       [&](PhysRange r, bool* ok) { return ReadAll(device, r.start.value, r.size(), buffer, ok); }},
      {"/dev/hmem, HMEM_READV, 1 MiB as one range",
       [&](PhysRange r, bool* ok) { return ReadvAll(device, r, kMiB, buffer, ok); }},
      {"/dev/hmem, HMEM_READV, 1 MiB as 256 pages",
       [&](PhysRange r, bool* ok) { return ReadvAll(device, r, kPage, buffer, ok); }},
      {"/dev/hmem, mmap, 4 MiB",
       [&](PhysRange r, bool* ok) {
         return MapAll(device, r.start.value, r.size(), 4 * kMiB, ok);
       }},
      {"/dev/hmem, mmap, 64 MiB",
       [&](PhysRange r, bool* ok) { return MapAll(device, r.start.value, r.size(), kUnit, ok); }},
  };
  std::vector<std::vector<double>> found(ways.size());
  bool ok = true;
  for (int turn = 0; turn < kTurns; ++turn) {
    std::vector<std::chrono::duration<double>> took(ways.size());
    // Each part by all ways, back and forth: what else the host does is spread over them.
    for (PhysAddr at = range.start; at < range.end; at = at + kUnit) {
      uint64_t first = 0;
      const bool forth = (turn + at.value / kUnit) % 2 == 0;
      for (size_t i = 0; i < ways.size(); ++i) {
        const size_t way = forth ? i : ways.size() - 1 - i;
        uint64_t all = 0;
        took[way] += Time(ways[way], {at, at + kUnit}, &all, &ok);
        if (i == 0) first = all;
        ok &= all == first;
      }
    }
    for (size_t i = 0; i < ways.size(); ++i)
      found[i].push_back(static_cast<double>(range.size()) / static_cast<double>(kMiB) /
                         took[i].count());
  }
  if (!ok) {
    Say("failed: a way to read gave an error or other bytes");
    return;
  }
  Say(fmt::format("speed range: {} MiB, {} turns", range.size() / kMiB, kTurns));
  for (size_t i = 0; i < ways.size(); ++i) {
    std::ranges::sort(found[i]);
    Say(fmt::format("speed {}: {:.0f} {:.0f} {:.0f}", ways[i].name, found[i][kTurns / 2],
                    found[i].front(), found[i].back()));
  }
}

}  // namespace hmem::device_test
