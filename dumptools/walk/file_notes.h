// SPDX-License-Identifier: GPL-2.0-or-later
// The CPU notes that the dump file itself carries: what is left of the registers when the kernel's
// own notes cannot be read.
#pragma once

#include <vector>

#include "arch/arch.h"
#include "hmem/base/findings.h"
#include "hmem/format/elf_note.h"
#include "hmem/source/memory_source.h"
#include "hmem/space/cpu_notes.h"

namespace hmem::walk {

// A CPU's registers: "CORE", NT_PRSTATUS.
bool IsPrstatus(const format::Note& note);

// NT_PRSTATUS notes in the order of the file, which does not say which CPU they are of. One that
// does not decode is a finding and is left out. At most 8192.
std::vector<space::CpuNote> ReadFileNotes(const source::MemorySource& source,
                                          const arch::Arch& arch, Findings& findings);

}  // namespace hmem::walk
