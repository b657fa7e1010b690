// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/encode.h"

#include <gtest/gtest.h>

namespace hmem::firstfailure {
namespace {

TEST(SafeText, Utf8StaysAndOtherBytesAreShown) {
  EXPECT_EQ(SafeText("grüße \xe2\x82\xac \xf0\x9f\xa6\x80"), "grüße \xe2\x82\xac \xf0\x9f\xa6\x80");
  EXPECT_EQ(SafeText("a\xffz"), "a\\xffz");
  EXPECT_EQ(SafeText("\xc0\x80"), "\\xc0\\x80");                    // overlong
  EXPECT_EQ(SafeText("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(SafeText("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // past U+10FFFF
  EXPECT_EQ(SafeText("cut \xe2\x82"), "cut \\xe2\\x82");
}

TEST(SafeText, IsCutAtACharacter) {
  EXPECT_EQ(SafeText("abcdef", 3), "abc");
  EXPECT_EQ(SafeText("ab\xe2\x82\xac", 4), "ab");
  EXPECT_EQ(SafeText("ab\xff", 5), "ab");
}

symbols::SymbolTable Table() {
  symbols::SymbolTable table;
  uint32_t module = table.AddModule(
      "granite", {VirtRange{VirtAddr(0xffffffffc0000000), VirtAddr(0xffffffffc0001000)}});
  table.Add(0, "caller", VirtAddr(0xffffffff81000000), 0x20, 't');
  table.Add(0, "next", VirtAddr(0xffffffff81000020), 0x20, 't');
  table.Add(module, "facet", VirtAddr(0xffffffffc0000010), 0x30, 't');
  table.Seal();
  return table;
}

TEST(EncodeFrame, AReturnAddressIsLookedUpOneByteBefore) {
  // A call that is the last instruction of its function returns to the next function's first byte.
  auto frame =
      EncodeFrame(Table(), {.pc = VirtAddr(0xffffffff81000020), .sp = VirtAddr(1), .exact = false});
  EXPECT_EQ(frame.symbol(), "caller");
  EXPECT_EQ(frame.offset(), 0x20u);
}

TEST(EncodeFrame, AnExactAddressIsLookedUpItself) {
  auto frame =
      EncodeFrame(Table(), {.pc = VirtAddr(0xffffffff81000020), .sp = VirtAddr(1), .exact = true});
  EXPECT_EQ(frame.symbol(), "next");
  EXPECT_EQ(frame.offset(), 0u);
  EXPECT_TRUE(frame.exact());
}

TEST(EncodeFrame, NamesTheModule) {
  auto frame =
      EncodeFrame(Table(), {.pc = VirtAddr(0xffffffffc0000018), .sp = VirtAddr(1), .exact = true});
  EXPECT_EQ(frame.symbol(), "facet");
  EXPECT_EQ(frame.module(), "granite");
  EXPECT_EQ(frame.symbol_size(), 0x30u);
}

TEST(EncodeFrame, AnAddressWithoutSymbolKeepsItsPc) {
  auto frame = EncodeFrame(Table(), {.pc = VirtAddr(0), .sp = VirtAddr(1), .exact = true});
  EXPECT_EQ(frame.symbol(), "");
  EXPECT_EQ(frame.pc(), 0u);
}

TEST(EncodeLogRecord, TellsThreadFromCpu) {
  walk::LogRecord record;
  record.caller_id = 17;
  EXPECT_EQ(EncodeLogRecord(record).caller(), "T17");
  record.caller_id = (1u << 31) | 3;
  EXPECT_EQ(EncodeLogRecord(record).caller(), "C3");
  record.caller_id = 0;
  EXPECT_EQ(EncodeLogRecord(record).caller(), "");
}

TEST(EncodeClock, SaysWhereTheUptimeIsFrom) {
  walk::System system;
  system.crash_time_s = 1700000000;
  v1::Clock clock = EncodeClock(system, 5'000'000'000);
  EXPECT_EQ(clock.crash_time_s(), 1700000000);
  EXPECT_EQ(clock.uptime_ns(), 5'000'000'000u);
  EXPECT_NE(clock.trust().find("last log record"), std::string::npos);
  system.uptime_ns = 6'000'000'000;
  EXPECT_EQ(EncodeClock(system, 5'000'000'000).uptime_ns(), 6'000'000'000u);
}

TEST(EncodeModule, GivesTheLowestTextAddress) {
  walk::Module module;
  module.name = "granite";
  module.text = {VirtRange{VirtAddr(0x3000), VirtAddr(0x4000)},
                 VirtRange{VirtAddr(0x1000), VirtAddr(0x2000)}};
  EXPECT_EQ(EncodeModule(module).text_address(), 0x1000u);
}

}  // namespace
}  // namespace hmem::firstfailure
