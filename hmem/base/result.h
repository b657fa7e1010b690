// SPDX-License-Identifier: GPL-2.0-or-later
// Result<T> is std::expected<T, Error>. This library version has no monadic members, so two macros
// propagate.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "hmem/base/error.h"

namespace hmem {

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> Fail(ErrorCode code, std::string text) {
  return std::unexpected<Error>(Error(code, std::move(text)));
}
inline std::unexpected<Error> FailErrno(std::string_view what, int errno_value) {
  return std::unexpected<Error>(Error::FromErrno(what, errno_value));
}

// Adds a place to the error of `result`, if there is one.
template <typename T>
Result<T> Within(std::string_view place, Result<T> result) {
  if (result) return result;
  return std::unexpected<Error>(std::move(result).error().Within(place));
}

}  // namespace hmem

#define HMEM_CONCAT_INNER(a, b) a##b
#define HMEM_CONCAT(a, b) HMEM_CONCAT_INNER(a, b)

// HMEM_TRY(status_or_result);  returns the error to the caller.
#define HMEM_TRY(expr)                                                           \
  do {                                                                           \
    auto hmem_try_result = (expr);                                               \
    if (!hmem_try_result)                                                        \
      return std::unexpected<::hmem::Error>(std::move(hmem_try_result).error()); \
  } while (false)

// HMEM_ASSIGN(auto x, Foo());  or  HMEM_ASSIGN(member_, Foo());
#define HMEM_ASSIGN(lhs, expr) HMEM_ASSIGN_INNER(HMEM_CONCAT(hmem_assign_, __LINE__), lhs, expr)
#define HMEM_ASSIGN_INNER(tmp, lhs, expr)                                  \
  auto tmp = (expr);                                                       \
  if (!tmp) return std::unexpected<::hmem::Error>(std::move(tmp).error()); \
  lhs = *std::move(tmp)
