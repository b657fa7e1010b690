// SPDX-License-Identifier: GPL-2.0-or-later
// The formats a dump can be written in, and which codecs each of them has.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hmem/base/result.h"
#include "hmem/codec/codec.h"

namespace hmem::capture {

enum class DumpFormat {
  kHmem,
  kKdump,  // kdump-compressed; flattened where the target cannot seek
  kElf,
  kFlat,     // kdump-compressed, flattened wherever it goes
  kFlatElf,  // ELF, likewise
};

// "hmem", "kdump", "elf", "flat", "flat-elf"
std::string_view DumpFormatName(DumpFormat format);
// kInvalidArgument names those that there are.
Result<DumpFormat> FindDumpFormat(std::string_view name);
// What a dump is called in a directory: "dump.kdump".
std::string UsualFileName(DumpFormat format);

struct Compression {
  const codec::Codec* codec = nullptr;
  int level = 0;
};

// "zstd:3", "lzo", or empty for what the format usually takes: lz4 for .hmem; lzo for kdump, which
// packs several times as fast as zlib and which crash, makedumpfile and drgn of every distribution
// read; none for ELF. kUnsupported: the format has no such codec; kInvalidArgument: a level that
// the codec does not have.
Result<Compression> ParseCompression(std::string_view text, DumpFormat format);

}  // namespace hmem::capture
