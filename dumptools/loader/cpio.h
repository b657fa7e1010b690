// SPDX-License-Identifier: GPL-2.0-or-later
// An initramfs as the kernel unpacks it: a cpio archive in the "newc" format.
// Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::loader {

// Grows one buffer. Owners are 0:0 and times 0, so the same input gives the same bytes. Paths are
// relative ("bin/x"); directories above a path are added when they are not there yet.
// kInvalidArgument: an absolute or empty path, "..", or a path that is there already. kLimit: a
// file of 4 GiB or more.
class CpioWriter {
 public:
  Status AddDirectory(std::string_view path);
  Status AddFile(std::string_view path, uint32_t permissions, std::span<const std::byte> bytes);
  Status AddCharacterDevice(std::string_view path, uint32_t permissions, uint32_t major,
                            uint32_t minor);

  // The archive with its trailer, padded to 512 bytes. The writer is empty afterwards.
  std::vector<std::byte> Finish();

 private:
  Status Add(std::string_view path, uint32_t mode, std::span<const std::byte> bytes, uint32_t major,
             uint32_t minor);
  void Append(std::string_view name, uint32_t mode, std::span<const std::byte> bytes,
              uint32_t major, uint32_t minor);

  std::vector<std::byte> archive_;
  std::set<std::string, std::less<>> paths_;
  uint32_t next_inode_ = 1;
};

}  // namespace hmem::loader
