// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/anonymous_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hmem {

Result<AnonymousMemory> AnonymousMemory::Take(size_t bytes) {
  void* start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) {
    return Fail(ErrorCode::kLimit,
                fmt::format("no {} bytes of memory: {}", bytes, std::strerror(errno)));
  }
  std::span<std::byte> all(static_cast<std::byte*>(start), bytes);
  const auto page_bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (size_t at = 0; at < bytes; at += page_bytes) {
    volatile std::byte& touched = all[at];
    touched = std::byte{0};
  }
  const bool locked = ::mlock(start, bytes) == 0;
  return AnonymousMemory(all, locked);
}

AnonymousMemory& AnonymousMemory::operator=(AnonymousMemory&& other) noexcept {
  if (this != &other) {
    Reset();
    bytes_ = std::exchange(other.bytes_, {});
    locked_ = std::exchange(other.locked_, false);
  }
  return *this;
}

void AnonymousMemory::Reset() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
  bytes_ = {};
  locked_ = false;
}

}  // namespace hmem
