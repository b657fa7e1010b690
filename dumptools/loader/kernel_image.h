// SPDX-License-Identifier: GPL-2.0-or-later
// What the header of an x86 bzImage says. Source: Linux Documentation/arch/x86/boot.rst; the
// signature is the PE certificate table (Microsoft PE/COFF specification, "Attribute Certificate
// Table").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::loader {

struct KernelImage {
  std::string release;           // "6.1.0-56-cloud-amd64"
  uint64_t init_size_bytes = 0;  // memory the image needs while it unpacks itself
  uint64_t file_bytes = 0;
  uint64_t command_line_bytes = 0;  // the longest command line it takes, with its NUL
  bool is_64bit = false;            // has the 64-bit entry that kexec_file_load needs
  bool is_relocatable = false;      // runs from wherever memory is reserved
  bool is_signed =
      false;  // carries a certificate table; whether the kernel trusts it is another matter
};

// kUnsupported: not a bzImage, or one of before boot protocol 2.12. kTruncated, kCorrupt.
Result<KernelImage> ParseKernelImage(std::span<const std::byte> image);

// Of a file, and one that kexec_file_load(2) takes: kUnsupported naming `path` where it is not
// 64-bit or cannot be relocated.
Result<KernelImage> ReadKernelImage(const Host& host, const std::string& path);

}  // namespace hmem::loader
