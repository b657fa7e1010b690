// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/file_mapping.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

namespace hmem {

Result<FileMapping> FileMapping::Map(int fd, uint64_t offset, size_t bytes, std::string_view path) {
  void* start = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (start == MAP_FAILED) {
    return FailErrno(fmt::format("{}: offset {:#x}: mmap of {} bytes", path, offset, bytes), errno);
  }
  return FileMapping(std::span(static_cast<const std::byte*>(start), bytes));
}

FileMapping& FileMapping::operator=(FileMapping&& other) noexcept {
  if (this != &other) {
    Reset();
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

void FileMapping::Reset() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  bytes_ = {};
}

}  // namespace hmem
