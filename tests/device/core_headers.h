// SPDX-License-Identifier: GPL-2.0-or-later
// Core headers that no kernel would write. The kernel that fails has them in its memory, where the
// capture kernel may look for one, and says where in the capture kernel's command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hmem::device_test {

// Old memory in every machine of these tests, and no other: the ranges of the headers lie there.
inline constexpr uint64_t kPlace = 64 << 20;
// All memory above the first MiB of the machine that device_guest.py makes, also what the capture
// kernel lives in.
inline constexpr uint64_t kAllStart = 1 << 20;
inline constexpr uint64_t kAllEnd = 1535 << 20;

struct CoreHeader {
  std::string_view name;
  // The page it is in, and where: an offset into that page.
  std::vector<std::byte> page;
  // finit_module(2) fails with it.
  bool refused = false;
};

// Always the same ones in the same order.
std::vector<CoreHeader> CoreHeaders();

// In the kernel that fails: puts them into memory, for good, and returns the word for the command
// line of the capture kernel; empty when that did not work.
std::string PlantCoreHeaders();

// In the capture kernel: where the header of this number is.
std::optional<uint64_t> CoreHeaderAddress(size_t number);

// The physical address of a page of this process; 0 when the kernel does not tell.
uint64_t PhysicalAddress(const void* page);

}  // namespace hmem::device_test
