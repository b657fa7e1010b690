// SPDX-License-Identifier: GPL-2.0-or-later
// What this process holds of the machine's memory and what is left. Source: Linux
// Documentation/filesystems/proc.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hmem::capture {

// In bytes; absent where the kernel does not tell.
struct ProcessMemory {
  std::optional<uint64_t> anonymous;  // RssAnon: neither files nor the old kernel's memory
  std::optional<uint64_t> locked;     // VmLck
  std::optional<uint64_t> available;  // MemAvailable, of the machine
};

// Of self/status and meminfo in `proc`.
ProcessMemory ReadProcessMemory(const std::string& proc = "/proc");

}  // namespace hmem::capture
