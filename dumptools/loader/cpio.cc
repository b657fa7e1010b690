// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/cpio.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <limits>
#include <utility>

namespace hmem::loader {
namespace {

constexpr std::string_view kTrailer = "TRAILER!!!";
constexpr size_t kNameAlignment = 4;
constexpr size_t kBlockBytes = 512;

Status CheckPath(std::string_view path) {
  bool bad = path.empty() || path.front() == '/' || path.back() == '/';
  std::string_view rest = path;
  while (!bad && !rest.empty()) {
    std::string_view part = rest.substr(0, rest.find('/'));
    bad = part.empty() || part == "." || part == "..";
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  if (!bad) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is not a path inside an archive", path));
}

}  // namespace

Status CpioWriter::AddDirectory(std::string_view path) {
  return Add(path, S_IFDIR | 0755, {}, 0, 0);
}

Status CpioWriter::AddFile(std::string_view path, uint32_t permissions,
                           std::span<const std::byte> bytes) {
  if (bytes.size() > std::numeric_limits<uint32_t>::max()) {
    return Fail(ErrorCode::kLimit,
                fmt::format("{}: {} bytes do not fit an initramfs", path, bytes.size()));
  }
  return Add(path, S_IFREG | permissions, bytes, 0, 0);
}

Status CpioWriter::AddCharacterDevice(std::string_view path, uint32_t permissions, uint32_t major,
                                      uint32_t minor) {
  return Add(path, S_IFCHR | permissions, {}, major, minor);
}

Status CpioWriter::Add(std::string_view path, uint32_t mode, std::span<const std::byte> bytes,
                       uint32_t major, uint32_t minor) {
  HMEM_TRY(CheckPath(path));
  if (paths_.contains(path)) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is in the archive already", path));
  }
  for (size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    std::string_view above = path.substr(0, slash);
    if (paths_.emplace(above).second) Append(above, S_IFDIR | 0755, {}, 0, 0);
  }
  paths_.emplace(path);
  Append(path, mode, bytes, major, minor);
  return {};
}

void CpioWriter::Append(std::string_view name, uint32_t mode, std::span<const std::byte> bytes,
                        uint32_t major, uint32_t minor) {
  bool trailer = name == kTrailer;
  uint32_t links = S_ISDIR(mode) ? 2 : 1;
  // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
  // namesize, check
  std::string header = fmt::format(
      "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
      trailer ? 0 : next_inode_++, mode, 0, 0, links, 0, bytes.size(), 0, 0, major, minor,
      name.size() + 1, 0);
  header += name;
  header += '\0';
  auto put = [this](std::span<const std::byte> more) {
    archive_.insert(archive_.end(), more.begin(), more.end());
  };
  auto pad = [this](size_t alignment) {
    archive_.resize((archive_.size() + alignment - 1) / alignment * alignment);
  };
  put(std::as_bytes(std::span(header)));
  pad(kNameAlignment);
  put(bytes);
  pad(kNameAlignment);
}

std::vector<std::byte> CpioWriter::Finish() {
  Append(kTrailer, 0, {}, 0, 0);
  archive_.resize((archive_.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
  paths_.clear();
  next_inode_ = 1;
  return std::exchange(archive_, {});
}

}  // namespace hmem::loader
