// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace hmem {
namespace {

TEST(Error, PrintsOutsideIn) {
  Error error = Error(ErrorCode::kCorrupt, "size 96, expected 336")
                    .Within("NT_PRSTATUS")
                    .Within("cpu 3")
                    .Within("bt");
  EXPECT_EQ(error.ToString(), "bt: cpu 3: NT_PRSTATUS: size 96, expected 336");
  EXPECT_EQ(error.text(), "size 96, expected 336");
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
}

TEST(Error, KeepsErrnoAndItsText) {
  Error error = Error::FromErrno("/dump", ENOSPC).Within("writer");
  EXPECT_EQ(error.code(), ErrorCode::kIo);
  EXPECT_EQ(error.errno_value(), ENOSPC);
  EXPECT_EQ(error.ToString(), "writer: /dump: No space left on device");
}

TEST(Error, WithinOfANamedErrorLeavesItAlone) {
  const Error inner(ErrorCode::kNotFound, "nothing");
  Error outer = inner.Within("outside");
  EXPECT_EQ(inner.ToString(), "nothing");
  EXPECT_EQ(outer.ToString(), "outside: nothing");
}

TEST(Error, EveryCodeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kLimit); ++code) {
    names.insert(ErrorCodeName(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(ErrorCode::kLimit) + 1);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_TRUE(names.contains("not-found"));
}

}  // namespace
}  // namespace hmem
