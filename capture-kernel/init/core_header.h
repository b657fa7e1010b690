// SPDX-License-Identifier: GPL-2.0-or-later
// Where the old kernel's core header lies: what hmem.ko must be told on a stock kernel.
#pragma once

#include <cstdint>
#include <string_view>

#include "hmem/base/result.h"

namespace hmem::init {

// The physical address in the last elfcorehdr=[SIZE@]ADDRESS of a kernel command line, with numbers
// as the kernel takes them: "0x3f000000", "1032192K", "4K@0x3f000000". Source: setup_elfcorehdr()
// of Linux kernel/crash_dump.c and memparse() of lib/cmdline.c. kNotFound: no such word;
// kInvalidArgument.
Result<uint64_t> CoreHeaderAddress(std::string_view command_line);

}  // namespace hmem::init
