// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/error.h"

#include <fmt/format.h>

#include <cstring>

namespace hmem {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kNotMapped:
      return "not-mapped";
    case ErrorCode::kExcluded:
      return "excluded";
    case ErrorCode::kTruncated:
      return "truncated";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kMissingDebugInfo:
      return "missing-debug-info";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInvalidArgument:
      return "invalid-argument";
    case ErrorCode::kLimit:
      return "limit";
  }
  return "unknown";
}

Error Error::FromErrno(std::string_view what, int errno_value) {
  Error error(
      ErrorCode::kIo,
      fmt::format("{}: {}", what,
                  strerrordesc_np(errno_value) ? strerrordesc_np(errno_value) : "unknown error"));
  error.errno_value_ = errno_value;
  return error;
}

Error Error::Within(std::string_view place) && {
  places_.emplace_back(place);
  return std::move(*this);
}

Error Error::Within(std::string_view place) const& {
  Error copy = *this;
  copy.places_.emplace_back(place);
  return copy;
}

std::string Error::ToString() const {
  std::string line;
  for (auto it = places_.rbegin(); it != places_.rend(); ++it) {
    line += *it;
    line += ": ";
  }
  return line + text_;
}

}  // namespace hmem
