// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemscope/place.h"

#include <fmt/format.h>

#include <charconv>

namespace hmem::hmemscope {
namespace {

std::optional<uint64_t> ParseHex(std::string_view digits) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<uint64_t> ParseAddress(std::string_view word) {
  if (word.starts_with("0x") || word.starts_with("0X")) return ParseHex(word.substr(2));
  if (word.size() == 16) return ParseHex(word);
  return std::nullopt;
}

Result<Place> FindPlace(const symbols::SymbolTable& symbols, std::string_view word) {
  if (auto address = ParseAddress(word))
    return Place{.address = VirtAddr(*address), .symbol = std::nullopt};
  std::string_view name = word.substr(0, word.find('+'));
  uint64_t offset = 0;
  if (name.size() < word.size()) {
    std::string_view digits = word.substr(name.size() + 1);
    if (digits.starts_with("0x")) digits.remove_prefix(2);
    auto parsed = ParseHex(digits);
    if (!parsed)
      return Fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\": no offset behind '+'", word));
    offset = *parsed;
  }
  auto symbol = symbols.Find(name);
  if (!symbol) return Fail(ErrorCode::kNotFound, fmt::format("no symbol {}", name));
  return Place{.address = symbol->address + offset, .symbol = *symbol};
}

}  // namespace hmem::hmemscope
