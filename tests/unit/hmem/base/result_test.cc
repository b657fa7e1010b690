// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace hmem {
namespace {

Result<std::unique_ptr<int>> Make(bool good) {
  if (!good) return Fail(ErrorCode::kLimit, "no");
  return std::make_unique<int>(7);
}

Result<int> Use(bool good) {
  HMEM_ASSIGN(std::unique_ptr<int> value, Make(good));
  return *value;
}

Status Try(bool good) {
  HMEM_TRY(Make(good));
  return {};
}

TEST(Result, MacrosPassValuesOnAndErrorsUp) {
  EXPECT_EQ(Use(true), 7);
  ASSERT_FALSE(Use(false));
  EXPECT_EQ(Use(false).error().code(), ErrorCode::kLimit);
  EXPECT_TRUE(Try(true));
  EXPECT_FALSE(Try(false));
}

TEST(Result, WithinNamesThePlaceOfAnErrorOnly) {
  EXPECT_EQ(Within("here", Use(true)), 7);
  EXPECT_EQ(Within("here", Use(false)).error().ToString(), "here: no");
}

TEST(Result, FailErrnoIsAnIoError) {
  Status status = FailErrno("x", 2);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kIo);
  EXPECT_EQ(status.error().errno_value(), 2);
}

}  // namespace
}  // namespace hmem
