// SPDX-License-Identifier: GPL-2.0-or-later
// Reads an .hmem dump from front to back and checks every digest, every index and every block.
#pragma once

#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/hmem_index.h"
#include "hmem/source/hmem_stream.h"

namespace hmem::source {

// Fails only when the file cannot be read. Memory: one frame, one block, and the ranges covered.
Status VerifyHmem(const HmemFile& file, const HmemIndex& index, Findings& findings);

}  // namespace hmem::source
