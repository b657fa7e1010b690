// SPDX-License-Identifier: GPL-2.0-or-later
// Where the kernel maps RAM, for dumps whose headers do not say it (kdump-compressed files, ELF
// cores that QEMU wrote): the direct mapping and the kernel's image, out of its own page tables.
#pragma once

#include <vector>

#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::space {

// As MemorySource::virt_segments() would have it: a segment for each range of RAM, and one for the
// image (Documentation/arch/x86/x86_64/mm.rst). kNotFound: no VMCOREINFO. kUnsupported: nobody goes
// through tables of this architecture. Otherwise why they cannot be found or read.
Result<std::vector<source::VirtSegment>> KernelMappings(const source::MemorySource& source);

}  // namespace hmem::space
