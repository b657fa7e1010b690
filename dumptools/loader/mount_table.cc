// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/mount_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace hmem::loader {
namespace {

// Blanks and backslashes are written as "\040".
std::string Unescape(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    auto octal = [&](size_t at) { return at < s.size() && s[at] >= '0' && s[at] <= '7'; };
    if (s[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0'));
      i += 3;
    } else {
      out += s[i];
    }
  }
  return out;
}

std::vector<std::string> Fields(std::string_view line) {
  std::vector<std::string> fields;
  while (!line.empty()) {
    size_t end = std::min(line.find(' '), line.size());
    fields.push_back(Unescape(line.substr(0, end)));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return fields;
}

bool HasOption(std::string_view options, std::string_view option) {
  return fmt::format(",{},", options).find(fmt::format(",{},", option)) != std::string::npos;
}

}  // namespace

Result<std::vector<Mount>> ParseMountTable(std::string_view text) {
  std::vector<Mount> mounts;
  for (int number = 1; !text.empty(); ++number) {
    size_t end = std::min(text.find('\n'), text.size());
    auto fields = Fields(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (fields.empty()) continue;
    // 36 35 98:0 /root /mount rw,noatime master:1 ... - ext4 /dev/sda1 rw,errors=continue
    auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 4) {
      return Fail(ErrorCode::kCorrupt, fmt::format("mountinfo: line {}: not a mount", number));
    }
    // ext4 of Linux 6.15 and later says so after an error, and leaves "rw".
    bool stopped = HasOption(dash[3], "emergency_ro") || HasOption(dash[3], "shutdown");
    mounts.push_back({fields[2], fields[3], fields[4], dash[1], dash[2],
                      stopped || HasOption(fields[5], "ro") || HasOption(dash[3], "ro")});
  }
  return mounts;
}

const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* best = nullptr;
  for (const Mount& mount : mounts) {
    std::string_view point = mount.mount_point;
    bool covers =
        point == "/" || path == point || (path.starts_with(point) && path[point.size()] == '/');
    if (covers && (best == nullptr || point.size() >= best->mount_point.size())) best = &mount;
  }
  return best;
}

}  // namespace hmem::loader
