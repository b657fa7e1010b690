// SPDX-License-Identifier: GPL-2.0-or-later
// What a dump format brings: a cheap look at the first bytes, and the opener.
// hmem/source/<name>_source.cc defines `const SourceFormat& <Name>SourceFormat()`; the build finds
// it by the file's name.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hmem/source/memory_source.h"

namespace hmem::source {

struct SourceFormat {
  std::string_view name;
  // True for what opens character devices, which have no first bytes; sniff() is not called then.
  bool character_device = false;
  // True when the first bytes (up to 64 KiB, fewer for a short file) are this format's, whatever is
  // broken behind them.
  bool (*sniff)(std::span<const std::byte> head);
  Result<std::unique_ptr<MemorySource>> (*open)(const std::string& path,
                                                const OpenOptions& options);
};

// Every format of this build, sorted by name. Generated from the file names.
std::span<const SourceFormat* const> AllSourceFormats();

}  // namespace hmem::source
