// SPDX-License-Identifier: GPL-2.0-or-later
// Owner of a read-only mapping of a part of a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "hmem/base/result.h"

namespace hmem {

// Move-only; unmapped when it goes. Touching a page with a memory error, or one behind the end of a
// file that was cut, is SIGBUS: copy out of it with GuardedCopy (hmem/base/guarded_copy.h).
class FileMapping {
 public:
  FileMapping() = default;
  // `offset` must be a multiple of the host's page size. kIo with errno.
  static Result<FileMapping> Map(int fd, uint64_t offset, size_t bytes, std::string_view path);

  FileMapping(FileMapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  FileMapping& operator=(FileMapping&& other) noexcept;
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  ~FileMapping() { Reset(); }

  // Empty when nothing is mapped.
  std::span<const std::byte> bytes() const { return bytes_; }
  void Reset();

 private:
  explicit FileMapping(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace hmem
