// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/wanted.h"

#include <fmt/format.h>

#include <charconv>

namespace hmem::capture {
namespace {

Error Bad(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

}  // namespace

Result<uint64_t> ParseAddress(std::string_view text) {
  std::string_view digits = text;
  int base = 10;
  if (digits.starts_with("0x")) {
    digits.remove_prefix(2);
    base = 16;
  }
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size())
    return std::unexpected(Bad(fmt::format("\"{}\" is not a number", text)));
  return value;
}

Result<Wanted> Wanted::Parse(std::string_view text) {
  Wanted wanted;
  if (text.starts_with("range:")) {
    text.remove_prefix(6);
    const size_t dash = text.find('-');
    if (dash == std::string_view::npos)
      return std::unexpected(Bad(fmt::format("range \"{}\": not START-END", text)));
    HMEM_ASSIGN(uint64_t start, ParseAddress(text.substr(0, dash)));
    HMEM_ASSIGN(uint64_t end, ParseAddress(text.substr(dash + 1)));
    if (end <= start) return std::unexpected(Bad(fmt::format("range \"{}\" is empty", text)));
    wanted.kind = Kind::kRange;
    wanted.range = {PhysAddr(start), PhysAddr(end)};
    return wanted;
  }
  if (!text.starts_with("task:") || text.size() == 5) {
    return std::unexpected(Bad(fmt::format(
        "\"{}\": neither task:PID, task:COMM, task:crashing nor range:START-END", text)));
  }
  text.remove_prefix(5);
  if (text == "crashing") return wanted;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), wanted.pid);
  if (error == std::errc() && end == text.data() + text.size()) {
    wanted.kind = Kind::kPid;
  } else {
    wanted.kind = Kind::kComm;
    wanted.comm = text;
  }
  return wanted;
}

}  // namespace hmem::capture
