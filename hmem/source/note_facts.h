// SPDX-License-Identifier: GPL-2.0-or-later
// The few facts a source needs out of its own notes before anything above it exists.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "hmem/base/findings.h"
#include "hmem/format/elf_note.h"

namespace hmem::source {

inline constexpr uint32_t kDefaultPageBytes = 4096;
inline constexpr uint64_t kSmallestPageBytes = 4096;
inline constexpr uint64_t kLargestPageBytes = 1 << 20;

// True for a power of two that some kernel uses as its page size.
bool IsPageSize(uint64_t bytes);

// PAGESIZE of the VMCOREINFO note. A value that no kernel uses is a finding and kDefaultPageBytes,
// as is a missing one (without the finding).
uint32_t PageBytesFromNotes(std::span<const format::Note> notes, Findings& findings);

}  // namespace hmem::source
