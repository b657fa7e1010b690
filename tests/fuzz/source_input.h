// SPDX-License-Identifier: GPL-2.0-or-later
// What every source fuzzer does: the input as a file, opened by content, then everything a tool
// would ask of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hmem::fuzz {

// Opens the bytes as a dump and reads, asks and verifies within fixed bounds.
void ExerciseSource(std::span<const uint8_t> bytes);

}  // namespace hmem::fuzz
