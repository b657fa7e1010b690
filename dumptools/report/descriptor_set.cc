// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/descriptor_set.h"

#include <cstddef>

// HMEM_DESCRIPTOR_SET is the path, from the build.
asm(".pushsection .rodata, \"a\"\n"
    ".global hmem_descriptor_set\n"
    "hmem_descriptor_set:\n"
    ".incbin \"" HMEM_DESCRIPTOR_SET
    "\"\n"
    ".global hmem_descriptor_set_end\n"
    "hmem_descriptor_set_end:\n"
    ".byte 0\n"
    ".popsection\n");

extern "C" const char hmem_descriptor_set[];
extern "C" const char hmem_descriptor_set_end[];

namespace hmem::report {

std::string_view DescriptorSet() {
  return {hmem_descriptor_set, static_cast<size_t>(hmem_descriptor_set_end - hmem_descriptor_set)};
}

}  // namespace hmem::report
