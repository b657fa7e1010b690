// SPDX-License-Identifier: GPL-2.0-or-later
// Reads an .hmem dump from front to back and checks every digest, every index and every block.
#pragma once

#include <cstddef>

#include "hmem/base/findings.h"
#include "hmem/source/hmem_index.h"
#include "hmem/source/hmem_stream.h"

namespace hmem::source {

// Runs of pages told apart at the most; behind that many, whole frames count.
inline constexpr size_t kMaxCoveredRanges = 1 << 16;

// What cannot be read is a finding, as other damage is. Memory: one frame, one block, the list of
// one chunk, and kMaxCoveredRanges ranges.
void VerifyHmem(const HmemFile& file, const HmemIndex& index, Findings& findings);

}  // namespace hmem::source
