// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/core_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "hmem/base/address.h"

namespace hmem::init {
namespace {

constexpr std::string_view kKey = "elfcorehdr=";
constexpr std::string_view kBlanks = " \t\n";
constexpr std::string_view kSuffixes = "KMGTPE";

// Takes a number off the front of `text`: hexadecimal behind 0x, octal behind 0, else decimal; a
// suffix multiplies it.
std::optional<uint64_t> TakeNumber(std::string_view* text) {
  int base = 10;
  if (text->starts_with("0x") || text->starts_with("0X")) {
    base = 16;
    text->remove_prefix(2);
  } else if (text->starts_with('0')) {
    base = 8;
  }
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  if (text->empty()) return value;
  char letter = text->front();
  if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  size_t power = kSuffixes.find(letter);
  if (power == std::string_view::npos) return value;
  text->remove_prefix(1);
  if (!CheckedMul(value, uint64_t{1} << (10 * (power + 1)), &value)) return std::nullopt;
  return value;
}

}  // namespace

Result<uint64_t> CoreHeaderAddress(std::string_view command_line) {
  std::string_view found;
  while (!command_line.empty()) {
    std::string_view word = command_line.substr(0, command_line.find_first_of(kBlanks));
    command_line.remove_prefix(std::min(word.size() + 1, command_line.size()));
    if (word == "--") break;  // what follows is for PID 1
    if (word.starts_with(kKey)) found = word;
  }
  if (found.empty())
    return Fail(ErrorCode::kNotFound, fmt::format("no {} on the kernel command line", kKey));
  std::string_view rest = found.substr(kKey.size());
  auto address = TakeNumber(&rest);
  if (address && rest.starts_with('@')) {
    rest.remove_prefix(1);
    address = TakeNumber(&rest);
  }
  if (!address || !rest.empty() || *address == 0)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: not an address", found));
  return *address;
}

}  // namespace hmem::init
