// SPDX-License-Identifier: GPL-2.0-or-later
// Owner of memory that is all there when it is taken: no later touch of it can fail or wait.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "hmem/base/result.h"

namespace hmem {

// Move-only; given back when it goes. Zeros at first.
class AnonymousMemory {
 public:
  AnonymousMemory() = default;
  // Every page is touched, and locked where that is allowed (RLIMIT_MEMLOCK, CAP_IPC_LOCK).
  // kLimit: there is no room for so many bytes (RLIMIT_AS, RLIMIT_DATA, overcommit); never throws.
  static Result<AnonymousMemory> Take(size_t bytes);

  AnonymousMemory(AnonymousMemory&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), locked_(std::exchange(other.locked_, false)) {}
  AnonymousMemory& operator=(AnonymousMemory&& other) noexcept;
  AnonymousMemory(const AnonymousMemory&) = delete;
  AnonymousMemory& operator=(const AnonymousMemory&) = delete;
  ~AnonymousMemory() { Reset(); }

  // Empty when none was taken.
  std::span<std::byte> bytes() { return bytes_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  bool locked() const { return locked_; }
  void Reset();

 private:
  AnonymousMemory(std::span<std::byte> bytes, bool locked) : bytes_(bytes), locked_(locked) {}

  std::span<std::byte> bytes_;
  bool locked_ = false;
};

}  // namespace hmem
