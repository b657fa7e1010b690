// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/source_choice.h"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

namespace hmem::dump {

std::span<const std::string> SourcePlaces() {
  static const std::vector<std::string> kPlaces = {"/dev/hmem", "/proc/vmcore"};
  return kPlaces;
}

Result<std::unique_ptr<source::MemorySource>> OpenFirst(
    std::span<const std::string> places, const std::function<void(std::string_view)>& say) {
  std::optional<Error> refusal;
  for (const std::string& place : places) {
    if (::access(place.c_str(), F_OK) != 0) continue;
    if (refusal) say(fmt::format("{}; reading {} instead", refusal->ToString(), place));
    auto source = source::Open(place);
    if (source) return source;
    refusal = std::move(source).error();
  }
  if (refusal) return std::unexpected(*std::move(refusal));
  return Fail(ErrorCode::kNotFound,
              fmt::format("no SOURCE given, and none of {} is here: not a capture kernel?",
                          fmt::join(places, ", ")));
}

}  // namespace hmem::dump
