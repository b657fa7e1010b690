// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/system_ram.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace hmem::loader {
namespace {

constexpr size_t kMaxIomemBytes = 16 << 20;

std::optional<uint64_t> Hex(std::string_view word) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// "00100000-3ffdbfff : System RAM", its end inclusive; 0 for any other line.
uint64_t RamOf(std::string_view line) {
  size_t dash = line.find('-');
  size_t colon = line.find(" : ");
  if (dash == std::string_view::npos || colon == std::string_view::npos || dash > colon) return 0;
  if (line.substr(colon + 3) != "System RAM") return 0;
  auto first = Hex(line.substr(0, dash));
  auto last = Hex(line.substr(dash + 1, colon - dash - 1));
  if (!first || !last || *last <= *first) return 0;
  return *last - *first + 1;
}

}  // namespace

uint64_t SystemRamBytes(const Host& host) {
  std::string text = host.Read("/proc/iomem", kMaxIomemBytes).value_or("");
  uint64_t bytes = 0;
  for (std::string_view rest = text; !rest.empty();) {
    size_t end = std::min(rest.find('\n'), rest.size());
    bytes += RamOf(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return bytes;
}

bool FollowsMemoryHotplug(const Host& host) {
  return host.ReadLine("/sys/devices/system/memory/crash_hotplug").value_or("") == "1";
}

}  // namespace hmem::loader
