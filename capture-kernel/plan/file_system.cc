// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>

#include "hmem/base/endian.h"
#include "hmem/base/fd.h"

namespace hmem::plan {
namespace {

constexpr size_t kExtSuper = 1024;
constexpr size_t kExtMagicOffset = kExtSuper + 0x38;
constexpr size_t kExtUuidOffset = kExtSuper + 0x68;
constexpr uint16_t kExtMagic = 0xef53;
constexpr size_t kExtFeatureIncompatOffset = kExtSuper + 0x60;
constexpr uint32_t kExtIncompatJournalDevice = 0x0008;
constexpr uint32_t kXfsMagic = 0x58465342;  // "XFSB"
constexpr size_t kXfsUuidOffset = 32;
constexpr size_t kUuidBytes = 16;

std::string UuidText(const std::byte* uuid) {
  std::string text;
  for (size_t i = 0; i < kUuidBytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(uuid[i]));
  }
  return text;
}

}  // namespace

Result<FileSystemId> IdentifyFileSystem(std::span<const std::byte> start) {
  if (start.size() < kExtUuidOffset + kUuidBytes) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("{} bytes are too few for a file system", start.size()));
  }
  if (Load<uint32_t>(start.data(), Endian::kBig) == kXfsMagic) {
    return FileSystemId{"xfs", UuidText(start.data() + kXfsUuidOffset)};
  }
  if (Load<uint16_t>(start.data() + kExtMagicOffset, Endian::kLittle) == kExtMagic) {
    // An external journal carries ext4's magic but is no file system.
    if (Load<uint32_t>(start.data() + kExtFeatureIncompatOffset, Endian::kLittle) &
        kExtIncompatJournalDevice) {
      return Fail(ErrorCode::kNotFound, "an ext4 journal device, not a file system");
    }
    return FileSystemId{"ext4", UuidText(start.data() + kExtUuidOffset)};
  }
  return Fail(ErrorCode::kNotFound, "neither ext4 nor xfs");
}

Result<FileSystemId> IdentifyFileSystemOn(const std::string& path) {
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  std::array<std::byte, kFileSystemProbeBytes> start{};
  HMEM_ASSIGN(size_t n, PreadSome(fd.get(), start, 0, path));
  return Within(path, IdentifyFileSystem(std::span(start).first(n)));
}

}  // namespace hmem::plan
