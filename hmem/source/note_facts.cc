// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/note_facts.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>

namespace hmem::source {
namespace {

constexpr std::string_view kKey = "PAGESIZE=";

// The value of PAGESIZE in "KEY=VALUE\n" lines.
std::optional<std::string_view> FindPageSize(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(kKey)) return line.substr(kKey.size());
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

}  // namespace

bool IsPageSize(uint64_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kSmallestPageBytes && bytes <= kLargestPageBytes;
}

uint32_t PageBytesFromNotes(std::span<const format::Note> notes, Findings& findings) {
  for (const format::Note& note : notes) {
    if (note.name != "VMCOREINFO") continue;
    auto value = FindPageSize({reinterpret_cast<const char*>(note.desc.data()), note.desc.size()});
    if (!value) continue;
    uint64_t bytes = 0;
    auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), bytes);
    if (error == std::errc() && end == value->data() + value->size() && IsPageSize(bytes)) {
      return static_cast<uint32_t>(bytes);
    }
    findings.Add(
        Severity::kError, "source.page-size", "VMCOREINFO PAGESIZE",
        fmt::format("PAGESIZE of VMCOREINFO is no page size; {} is used", kDefaultPageBytes));
  }
  return kDefaultPageBytes;
}

}  // namespace hmem::source
