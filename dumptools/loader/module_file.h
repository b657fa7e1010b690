// SPDX-License-Identifier: GPL-2.0-or-later
// A kernel module file as finit_module(2) takes it: .ko, .ko.gz, .ko.xz and .ko.zst become plain
// .ko.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::loader {

constexpr size_t kMaxModuleBytes = 256 << 20;

// The packing is told by the name's end. kCorrupt: does not unpack, or what comes out is no ELF
// file. kLimit: more than kMaxModuleBytes unpacked. kUnsupported: another ending.
Result<std::vector<std::byte>> UnpackModule(std::string_view file_name,
                                            std::span<const std::byte> bytes);

// "crc32c_intel" of ".../crc32c-intel.ko.xz": the name that lsmod shows; '-' is '_'.
std::string ModuleName(std::string_view path);

}  // namespace hmem::loader
