// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/dump_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace hmem::capture {
namespace {

struct Format {
  DumpFormat format;
  std::string_view name;
  std::span<const std::string_view> codecs;  // the usual one first
};

constexpr std::array<std::string_view, 3> kHmemCodecs = {"lz4", "zstd", "none"};
constexpr std::array<std::string_view, 5> kKdumpCodecs = {"lzo", "zlib", "snappy", "zstd", "none"};
constexpr std::array<std::string_view, 1> kElfCodecs = {"none"};

constexpr std::array<Format, 5> kFormats = {{{DumpFormat::kHmem, "hmem", kHmemCodecs},
                                             {DumpFormat::kKdump, "kdump", kKdumpCodecs},
                                             {DumpFormat::kElf, "elf", kElfCodecs},
                                             {DumpFormat::kFlat, "flat", kKdumpCodecs},
                                             {DumpFormat::kFlatElf, "flat-elf", kElfCodecs}}};

const Format& Of(DumpFormat format) {
  return *std::ranges::find(kFormats, format, &Format::format);
}

struct Levels {
  std::string_view codec;
  int usual, lowest, highest;
};

constexpr std::array<Levels, 3> kLevels = {
    {{"lz4", 0, -100, 12}, {"zstd", 1, -100, 19}, {"zlib", 1, 1, 9}}};

}  // namespace

std::string_view DumpFormatName(DumpFormat format) { return Of(format).name; }

Result<DumpFormat> FindDumpFormat(std::string_view name) {
  auto found = std::ranges::find(kFormats, name, &Format::name);
  if (found != kFormats.end()) return found->format;
  std::string names;
  for (const Format& format : kFormats)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", format.name);
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("format \"{}\": not one of {}", name, names));
}

std::string UsualFileName(DumpFormat format) { return fmt::format("dump.{}", Of(format).name); }

Result<Compression> ParseCompression(std::string_view text, DumpFormat format) {
  const auto& codecs = Of(format).codecs;
  if (text.empty()) text = codecs.front();
  const std::string_view name = text.substr(0, text.find(':'));
  if (std::ranges::find(codecs, name) == codecs.end()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("codec \"{}\": not one of {}, which {} has", name,
                            fmt::join(codecs, ", "), DumpFormatName(format)));
  }
  Compression compression;
  HMEM_ASSIGN(compression.codec, codec::FindCodec(name));
  auto levels = std::ranges::find(kLevels, name, &Levels::codec);
  if (levels != kLevels.end()) compression.level = levels->usual;
  if (name.size() == text.size()) return compression;
  const std::string_view level = text.substr(name.size() + 1);
  if (levels == kLevels.end()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("level \"{}\": {} has no levels", level, name));
  }
  auto [end, ec] = std::from_chars(level.data(), level.data() + level.size(), compression.level);
  if (ec != std::errc() || end != level.data() + level.size()) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("level: \"{}\" is not a number", level));
  }
  if (compression.level < levels->lowest || compression.level > levels->highest) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("level {}: not from {} to {}", compression.level, levels->lowest,
                            levels->highest));
  }
  return compression;
}

}  // namespace hmem::capture
