// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/hardware_path.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace hmem::plan {
namespace {

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// "virtio1" -> "virtio*", "target2:0:0" -> "target*:0:0"; unchanged when `name` is not prefix +
// digits [+ rest].
bool StarNumber(std::string_view name, std::string_view prefix, std::string* out) {
  if (!name.starts_with(prefix)) return false;
  size_t end = prefix.size();
  while (end < name.size() && IsDigit(name[end])) ++end;
  if (end == prefix.size()) return false;
  *out = std::string(prefix) + "*" + std::string(name.substr(end));
  return true;
}

// H:C:T:L of a SCSI device: the host number comes from probing.
bool StarScsiAddress(std::string_view name, std::string* out) {
  if (std::count(name.begin(), name.end(), ':') != 3) return false;
  if (!std::all_of(name.begin(), name.end(), [](char c) { return IsDigit(c) || c == ':'; }))
    return false;
  *out = "*" + std::string(name.substr(name.find(':')));
  return true;
}

}  // namespace

std::string HardwarePath(std::string_view path) {
  if (path.starts_with("/sys/")) path.remove_prefix(4);
  std::string out;
  std::string_view previous;
  while (!path.empty()) {
    size_t start = path.find_first_not_of('/');
    if (start == std::string_view::npos) break;
    path.remove_prefix(start);
    std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    // The disk's own name (vda, sdb) behind "block" is given in the order of probing.
    if (previous == "block" && path.empty()) break;
    std::string stable(name);
    static constexpr std::array<std::string_view, 8> kNumbered = {
        "virtio", "host", "target", "ata", "nvme", "usb", "mmc", "scsi"};
    bool starred = StarScsiAddress(name, &stable);
    for (std::string_view prefix : kNumbered)
      starred = starred || StarNumber(name, prefix, &stable);
    out += '/';
    out += stable;
    previous = name;
  }
  return out;
}

}  // namespace hmem::plan
