// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/key_value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace hmem::plan {
namespace {

constexpr size_t kMaxEntries = 1000;

std::string_view Trim(std::string_view s) {
  constexpr std::string_view kBlank = " \t\r";
  size_t first = s.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(kBlank) - first + 1);
}

bool IsControl(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

}  // namespace

Result<std::vector<KeyValue>> ParseKeyValueText(std::string_view text, std::string_view name) {
  std::vector<KeyValue> entries;
  int line_number = 0;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = Trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    auto refuse = [&](std::string_view why) {
      return std::unexpected<Error>(Error(ErrorCode::kInvalidArgument, std::string(why))
                                        .Within(fmt::format("line {}", line_number))
                                        .Within(name));
    };
    if (std::any_of(line.begin(), line.end(), IsControl)) return refuse("control character");
    size_t equals = line.find('=');
    if (equals == std::string_view::npos)
      return refuse(fmt::format("\"{}\" is not KEY = VALUE", line));
    std::string_view key = Trim(line.substr(0, equals));
    if (key.empty()) return refuse("no key before '='");
    if (entries.size() == kMaxEntries) {
      return Fail(ErrorCode::kLimit, fmt::format("{}: more than {} entries", name, kMaxEntries));
    }
    entries.push_back({line_number, std::string(key), std::string(Trim(line.substr(equals + 1)))});
  }
  return entries;
}

Error EntryError(std::string_view name, const KeyValue& entry, std::string_view text) {
  return Error(ErrorCode::kInvalidArgument, std::string(text))
      .Within(fmt::format("line {}", entry.line))
      .Within(name);
}

Result<uint64_t> ParseNumber(std::string_view word, uint64_t min, uint64_t max) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || value < min || value > max) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("\"{}\" is not a number from {} to {}", word, min, max));
  }
  return value;
}

}  // namespace hmem::plan
