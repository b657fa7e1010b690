// SPDX-License-Identifier: GPL-2.0-or-later
// Every kind of address that a system call must answer with EFAULT.
#pragma once

#include <sys/mman.h>

#include <cerrno>

#include "tests/device/old_memory.h"
#include "tests/device/test_case.h"

namespace hmem::device_test {

inline constexpr uint64_t kNullPage = 0;
inline constexpr uint64_t kNoCanonicalAddress = 0x8000000000000000;
inline constexpr uint64_t kKernelAddress = 0xffffffff81000000;
inline constexpr uint64_t kUnusedAddress = 0x7ffffffff000;  // where nothing is ever mapped

// `call(pointer)` reads `bytes` there.
template <typename Call>
void ExpectReadFaults(Check& check, size_t bytes, Call call) {
  check.Returns("the null page", call(At(kNullPage)), -EFAULT);
  check.Returns("no canonical address", call(At(kNoCanonicalAddress)), -EFAULT);
  check.Returns("an address of the kernel", call(At(kKernelAddress)), -EFAULT);
  check.Returns("the last address", call(At(~uint64_t{0})), -EFAULT);
  check.Returns("an address without memory", call(At(kUnusedAddress)), -EFAULT);
  const Guarded room(bytes);
  check.Returns("a page that is not there", call(room.Last(0)), -EFAULT);
  check.Returns("one byte short of room", call(room.Last(bytes - 1)), -EFAULT);
}

// `call(pointer)` writes `bytes` there, and may read them first.
template <typename Call>
void ExpectFaults(Check& check, size_t bytes, Call call) {
  ExpectReadFaults(check, bytes, call);
  const Guarded room(bytes);
  ::mprotect(room.data(), room.bytes().size(), PROT_READ);
  check.Returns("memory that cannot be written", call(room.Last(bytes)), -EFAULT);
}

}  // namespace hmem::device_test
