// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/key_value_text.h"

#include <gtest/gtest.h>

namespace hmem::plan {
namespace {

std::string Refusal(std::string_view text) {
  auto entries = ParseKeyValueText(text, "x.conf");
  return entries ? "" : entries.error().ToString();
}

TEST(KeyValueText, TakesBlanksCommentsAndAFileWithoutALastNewline) {
  auto entries = ParseKeyValueText("# first\n\n  key\t=  a = b  \r\nother=", "x.conf");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].line, 3);
  EXPECT_EQ((*entries)[0].key, "key");
  EXPECT_EQ((*entries)[0].value, "a = b");
  EXPECT_EQ((*entries)[1].value, "");
}

TEST(KeyValueText, NamesTheLineWithoutAnEqualsSign) {
  EXPECT_EQ(Refusal("a = 1\nhello\n"), "x.conf: line 2: \"hello\" is not KEY = VALUE");
}

TEST(KeyValueText, RefusesAnEmptyKey) {
  EXPECT_EQ(Refusal(" = 1"), "x.conf: line 1: no key before '='");
}

TEST(KeyValueText, RefusesControlCharacters) {
  EXPECT_EQ(Refusal(std::string_view("a = \0b", 6)), "x.conf: line 1: control character");
}

TEST(KeyValueText, StopsAtAThousandEntries) {
  std::string text;
  for (int i = 0; i < 1001; ++i) text += "a = 1\n";
  auto entries = ParseKeyValueText(text, "x.conf");
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().code(), ErrorCode::kLimit);
}

TEST(ParseNumber, TakesNothingAroundTheDigits) {
  EXPECT_EQ(ParseNumber("17", 0, 20).value(), 17u);
  for (std::string_view word : {"", " 1", "1 ", "-1", "0x1", "1s", "21", "99999999999999999999"}) {
    EXPECT_FALSE(ParseNumber(word, 0, 20)) << word;
  }
}

}  // namespace
}  // namespace hmem::plan
