// SPDX-License-Identifier: GPL-2.0-or-later
// What makes two crashes the same kind of crash, whatever machine, boot and build they are of.
#pragma once

#include <cstdint>
#include <optional>

#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

// Of the rule below; a change of the rule, of a frame list of stack_reading or of the hash raises
// it.
inline constexpr uint32_t kFingerprintAlgorithm = 1;

// Ingredients: the name of the kind, then up to five functions from the cause's location outwards
// as "module:function", module empty for the kernel, without offsets and what the compiler appends;
// guessed frames and addresses without symbol are passed over. The value is the first 16 bytes of
// SHA-256 over them, each followed by a NUL. nullopt: no function is known to begin with.
std::optional<v1::Fingerprint> MakeFingerprint(const v1::FirstFailure& record);

}  // namespace hmem::firstfailure
