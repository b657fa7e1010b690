// SPDX-License-Identifier: GPL-2.0-or-later
// Finds the format of a file by its first bytes.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "hmem/source/dump_file.h"
#include "hmem/source/kdump_set.h"
#include "hmem/source/source_format.h"

namespace hmem::source {
namespace {

constexpr size_t kHeadBytes = 64 * 1024;
constexpr size_t kShownBytes = 8;

std::string KnownFormats() {
  std::string names;
  for (const SourceFormat* format : AllSourceFormats()) {
    if (format->character_device) continue;
    if (!names.empty()) names += ", ";
    names += format->name;
  }
  return names;
}

std::string HexBytes(std::span<const std::byte> bytes) {
  std::string text;
  for (std::byte b : bytes)
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<int>(b));
  return text;
}

bool IsCharacterDevice(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISCHR(info.st_mode);
}

// The answer of the last one when none takes it.
Result<std::unique_ptr<MemorySource>> OpenCharacterDevice(const std::string& path,
                                                          const OpenOptions& options) {
  Result<std::unique_ptr<MemorySource>> opened =
      Fail(ErrorCode::kUnsupported, fmt::format("{}: a character device", path));
  for (const SourceFormat* format : AllSourceFormats()) {
    if (!format->character_device) continue;
    opened = format->open(path, options);
    if (opened) break;
  }
  return opened;
}

// The names of a list "a,b,c"; one, where a file of that very name is there.
std::vector<std::string> PartsOf(const std::string& path) {
  struct stat info;
  std::vector<std::string> parts;
  if (::stat(path.c_str(), &info) == 0) return parts;
  for (size_t start = 0; start <= path.size();) {
    size_t comma = std::min(path.find(',', start), path.size());
    parts.push_back(path.substr(start, comma - start));
    start = comma + 1;
  }
  return parts;
}

}  // namespace

Result<std::unique_ptr<MemorySource>> Open(const std::string& path, const OpenOptions& options) {
  if (std::vector<std::string> parts = PartsOf(path); parts.size() > 1)
    return OpenKdumpSet(parts, options);
  if (IsCharacterDevice(path)) return OpenCharacterDevice(path, options);
  std::vector<std::byte> head(kHeadBytes);
  {
    HMEM_ASSIGN(DumpFile file, DumpFile::Open(path, options.map_window_bytes));
    HMEM_ASSIGN(size_t n, file.ReadSome(0, head));
    head.resize(n);
  }
  if (head.empty())
    return Fail(ErrorCode::kUnsupported, fmt::format("{}: an empty file, not a dump", path));
  for (const SourceFormat* format : AllSourceFormats()) {
    if (!format->character_device && format->sniff(head)) return format->open(path, options);
  }
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("{}: not a dump of a known format ({}); it begins with {}", path, KnownFormats(),
                  HexBytes(std::span(head).first(std::min(head.size(), kShownBytes)))));
}

}  // namespace hmem::source
