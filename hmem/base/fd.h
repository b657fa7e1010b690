// SPDX-License-Identifier: GPL-2.0-or-later
// Owner of a file descriptor (of mappings: file_mapping.h), and whole-buffer I/O with EINTR and
// short transfers handled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hmem/base/result.h"

namespace hmem {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release();
  void Reset();
  // Closes and reports what close(2) said: the last chance to hear of a lost write.
  Status Close(std::string_view path);

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC added. kIo with errno and path.
Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode = 0);

// Reads up to out.size() bytes at `offset`; returns how many (less only at the end of the file).
// kIo.
Result<size_t> PreadSome(int fd, std::span<std::byte> out, uint64_t offset, std::string_view path);
// Writes all of it or fails. kIo (ENOSPC is in errno_value).
Status WriteAll(int fd, std::span<const std::byte> bytes, std::string_view path);
Status PwriteAll(int fd, std::span<const std::byte> bytes, uint64_t offset, std::string_view path);

// Whole small file (also /proc and /sys files that report size 0). kLimit past max_bytes.
Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t max_bytes);
Result<std::string> ReadTextFile(const std::string& path, size_t max_bytes);

// fsync of the directory that holds `path`, so that a new name or rename is durable.
Status SyncParentDirectory(const std::string& path);

}  // namespace hmem
