// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/vmcoreinfo.h"

#include <fmt/format.h>

#include <charconv>

namespace hmem::space {
namespace {

constexpr std::string_view kNoteName = "VMCOREINFO";

template <typename T>
std::optional<T> ParseWhole(std::string_view text, int base) {
  T value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool IsHexadecimal(std::string_view key) {
  return key.starts_with("SYMBOL(") || key.starts_with("ADDRESS(") || key == "KERNELOFFSET";
}

}  // namespace

Vmcoreinfo Vmcoreinfo::Parse(std::string_view text, Findings& findings) {
  Vmcoreinfo info;
  text = text.substr(0, text.find('\0'));  // the note is padded
  size_t line_number = 0;
  while (!text.empty()) {
    size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    ++line_number;
    if (line.empty()) continue;
    auto place = [&] { return fmt::format("VMCOREINFO line {}", line_number); };
    size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0 || line.size() > kMaxLineBytes) {
      findings.Add(Severity::kLoss, "space.vmcoreinfo.line", place(),
                   "a line that is no KEY=VALUE of at most 256 bytes was skipped");
      continue;
    }
    if (info.values_.size() >= kMaxKeys) {
      findings.Add(Severity::kLoss, "space.vmcoreinfo.keys", place(),
                   "more than 4096 keys; the rest were skipped");
      break;
    }
    std::string_view value = line.substr(equals + 1);
    auto [it, added] = info.values_.emplace(line.substr(0, equals), value);
    if (!added && it->second != value) {
      findings.Add(Severity::kLoss, "space.vmcoreinfo.repeated", place(),
                   "a key is there twice with different values; the first was taken");
    }
  }
  return info;
}

Result<Vmcoreinfo> Vmcoreinfo::FromSource(const source::MemorySource& source, Findings& findings) {
  for (const source::Note& note : source.notes()) {
    if (note.name != kNoteName) continue;
    std::string_view text(reinterpret_cast<const char*>(note.desc.data()), note.desc.size());
    Vmcoreinfo info = Parse(text, findings);
    if (!info.all().empty()) return info;
  }
  return Fail(ErrorCode::kNotFound, fmt::format("{}: no VMCOREINFO note", source.path()));
}

std::optional<std::string_view> Vmcoreinfo::Text(std::string_view key) const {
  auto it = values_.find(key);
  if (it == values_.end()) return std::nullopt;
  return it->second;
}

std::optional<uint64_t> Vmcoreinfo::Number(std::string_view key) const {
  std::optional<std::string_view> text = Text(key);
  if (!text) return std::nullopt;
  if (text->starts_with("0x")) return ParseWhole<uint64_t>(text->substr(2), 16);
  if (IsHexadecimal(key)) return ParseWhole<uint64_t>(*text, 16);
  if (auto value = ParseWhole<uint64_t>(*text, 10)) return value;
  if (auto value = ParseWhole<int64_t>(*text, 10)) return static_cast<uint64_t>(*value);
  return std::nullopt;
}

std::optional<VirtAddr> Vmcoreinfo::Symbol(std::string_view name) const {
  std::optional<uint64_t> value = Number(fmt::format("SYMBOL({})", name));
  if (!value) return std::nullopt;
  return VirtAddr(*value);
}

std::optional<uint64_t> Vmcoreinfo::Offset(std::string_view member) const {
  return Number(fmt::format("OFFSET({})", member));
}

std::optional<uint64_t> Vmcoreinfo::Size(std::string_view type) const {
  return Number(fmt::format("SIZE({})", type));
}

}  // namespace hmem::space
