// SPDX-License-Identifier: GPL-2.0-or-later
// What the program does in the kernel that is going to fail.
#pragma once

namespace hmem::device_test {

// Tells the memory map, fills memory with pages that all differ, loads the capture kernel and
// crashes. Returns only when it could not, with the reason in the log.
void CrashFirstKernel();

}  // namespace hmem::device_test
