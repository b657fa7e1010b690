// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/process_memory.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "hmem/base/address.h"
#include "hmem/base/fd.h"

namespace hmem::capture {
namespace {

constexpr size_t kMaxFileBytes = 64 * 1024;

// Of the line "KEY:     1234 kB".
std::optional<uint64_t> BytesOf(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(key) || !line.ends_with(" kB")) continue;
    line.remove_prefix(key.size());
    if (!line.starts_with(':')) continue;
    line.remove_prefix(std::min(line.find_first_not_of(" \t", 1), line.size()));
    uint64_t kib = 0, bytes = 0;
    auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), kib);
    if (ec != std::errc() || !CheckedMul(kib, uint64_t{1024}, &bytes)) return std::nullopt;
    return bytes;
  }
  return std::nullopt;
}

}  // namespace

ProcessMemory ReadProcessMemory(const std::string& proc) {
  ProcessMemory memory;
  if (auto status = ReadTextFile(proc + "/self/status", kMaxFileBytes)) {
    memory.anonymous = BytesOf(*status, "RssAnon");
    memory.locked = BytesOf(*status, "VmLck");
  }
  if (auto info = ReadTextFile(proc + "/meminfo", kMaxFileBytes))
    memory.available = BytesOf(*info, "MemAvailable");
  return memory;
}

}  // namespace hmem::capture
