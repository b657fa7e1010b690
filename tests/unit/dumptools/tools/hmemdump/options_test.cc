// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hmem::dump {
namespace {

TEST(ParseSize, TakesNumbersAndUnitsOf1024) {
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("12345"), 12345u);
  EXPECT_EQ(*ParseSize("4K"), 4096u);
  EXPECT_EQ(*ParseSize("64M"), uint64_t{64} << 20);
  EXPECT_EQ(*ParseSize("3G"), uint64_t{3} << 30);
  EXPECT_EQ(*ParseSize("2T"), uint64_t{2} << 40);
  EXPECT_EQ(*ParseSize("18446744073709551615"), ~uint64_t{0});
}

TEST(ParseSize, RefusesAllElse) {
  for (const char* text : {"", "K", "-1", "+1", " 1", "1 ", "1k", "1KB", "1.5M", "0x10", "12Q",
                           "18446744073709551616", "18446744073709551615K", "16777216T"}) {
    auto size = ParseSize(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(size.error().ToString().find(text), std::string::npos);
  }
}

TEST(ParseCompression, TakesACodecAndALevel) {
  Options options;
  ASSERT_TRUE(ParseCompression("none", options));
  EXPECT_EQ(options.codec, "none");
  ASSERT_TRUE(ParseCompression("zstd", options));
  EXPECT_EQ(options.codec, "zstd");
  EXPECT_EQ(options.level, 1);
  ASSERT_TRUE(ParseCompression("zstd:19", options));
  EXPECT_EQ(options.level, 19);
  ASSERT_TRUE(ParseCompression("lz4:-3", options));
  EXPECT_EQ(options.codec, "lz4");
  EXPECT_EQ(options.level, -3);
  ASSERT_TRUE(ParseCompression("lz4", options));
  EXPECT_EQ(options.level, 0);
}

TEST(ParseCompression, RefusesUnknownCodecs) {
  Options options;
  for (const char* text : {"lzo", "zlib", "LZ4", "zstd3", ":3"})
    EXPECT_EQ(ParseCompression(text, options).error().code(), ErrorCode::kUnsupported) << text;
}

TEST(ParseCompression, IsWhatTheFormatHas) {
  Options options{.format = capture::DumpFormat::kKdump};
  ASSERT_TRUE(ParseCompression("", options));
  EXPECT_EQ(options.codec, "lzo");
  ASSERT_TRUE(ParseCompression("zlib:9", options));
  EXPECT_EQ(options.codec, "zlib");
  EXPECT_EQ(options.level, 9);
  EXPECT_EQ(ParseCompression("lz4", options).error().code(), ErrorCode::kUnsupported);
  options.format = capture::DumpFormat::kElf;
  ASSERT_TRUE(ParseCompression("", options));
  EXPECT_EQ(options.codec, "none");
  EXPECT_EQ(ParseCompression("lzo", options).error().code(), ErrorCode::kUnsupported);
}

TEST(ParseCompression, RefusesLevelsThatAreNone) {
  Options options;
  for (const char* text : {"zstd:", "zstd:x", "zstd:3x", "zstd:20", "zstd:-101", "zstd:1:2"})
    EXPECT_EQ(ParseCompression(text, options).error().code(), ErrorCode::kInvalidArgument) << text;
}

Options Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "hmemdump");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  auto parsed = ParseOptions(static_cast<int>(argv.size()), argv.data());
  EXPECT_TRUE(std::holds_alternative<Options>(parsed));
  return std::holds_alternative<Options>(parsed) ? std::get<Options>(parsed) : Options();
}

TEST(ParseOptions, TheLastPlaceIsDest) {
  EXPECT_EQ(Parse({"there"}).destination, "there");
  EXPECT_EQ(Parse({"there"}).source, "");
  EXPECT_EQ(Parse({"here", "there"}).source, "here");
  EXPECT_EQ(Parse({"here", "-j", "2", "there"}).destination, "there");
  EXPECT_EQ(Parse({"--log-only", "here"}).source, "here");
}

TEST(ParseOptions, AMemoryLimitIsASizeOrThereIsNone) {
  EXPECT_FALSE(Parse({"there"}).memory_limit_bytes);
  EXPECT_EQ(Parse({"--memory-limit", "24M", "there"}).memory_limit_bytes, uint64_t{24} << 20);
  EXPECT_EQ(Parse({"--memory-limit", "0", "there"}).memory_limit_bytes, 0u);
}

TEST(ParseOptions, ProgressIsAWord) {
  EXPECT_EQ(Parse({"--progress", "json", "there"}).progress, Progress::kJson);
  EXPECT_EQ(Parse({"there"}).progress, Progress::kAuto);
}

}  // namespace
}  // namespace hmem::dump
