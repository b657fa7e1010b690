// SPDX-License-Identifier: GPL-2.0-or-later
// hmem.ko in the initramfs of the tests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hmem::device_test {

inline constexpr char kModulePath[] = "/modules/hmem.ko";

// False where the device is built in: then there is no module to load and unload.
bool HasModule();
// finit_module(2): 0 or -errno.
int64_t LoadModule(const char* path, const std::string& parameters);
// delete_module(2) of hmem, which does not wait: 0 or -errno.
int64_t UnloadHmem();
// Loads hmem.ko with the core header's address of this kernel's command line.
int64_t LoadHmem();

// The value of elfcorehdr= without a size in front: what the module takes. Nothing when there is
// none, as in a kernel that captures nothing.
std::optional<std::string> CoreHeaderParameter();

}  // namespace hmem::device_test
