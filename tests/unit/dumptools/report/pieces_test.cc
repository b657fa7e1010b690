// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/pieces.h"

#include <gtest/gtest.h>

namespace hmem::report {
namespace {

TEST(Pieces, ControlCharactersAreShownNotSent) {
  EXPECT_EQ(Printable("a\x1b[31mb\x7f\r"), "a\\x1b[31mb\\x7f\\x0d");
  EXPECT_EQ(Printable("tab\tand\nline stay", Lines::kMany), "tab\tand\nline stay");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");
  EXPECT_EQ(Printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
}

// Anybody names a process; only the log may have more lines than one.
TEST(Pieces, ANameCannotAddALine) {
  v1::Task task;
  task.set_pid(7);
  task.set_comm("a\nb\tc");
  EXPECT_EQ(TaskText(task), "a\\x0ab\\x09c (pid 7)");
  EXPECT_EQ(Row("label", "a\nb"), "  label          a\\x0ab\n");
  v1::LogRecord record;
  record.set_text("a\nb");
  EXPECT_EQ(LogLineText(record), "[    0.000000] a\n               b");
}

TEST(Pieces, FramesKeepTheirNumbersWhereTheFirstAreLeftOut) {
  v1::Stack stack;
  for (const char* name : {"panic", "f", "g"}) stack.add_frames()->set_symbol(name);
  EXPECT_EQ(StackText(stack, "", 2, 1), "#1   f+0x0/0x0\n#2   g+0x0/0x0  <-- failed here\n");
}

TEST(Pieces, AFrameReadsAsTheKernelPrintsIt) {
  v1::Frame frame;
  frame.set_pc(0x1234);
  EXPECT_EQ(FrameText(frame), "0x0000000000001234");
  frame.set_symbol("f");
  frame.set_offset(0x1b);
  frame.set_symbol_size(0x20);
  EXPECT_EQ(FrameText(frame), "f+0x1b/0x20");
  frame.set_module("granite");
  EXPECT_EQ(FrameText(frame), "f+0x1b/0x20 [granite]");
}

TEST(Pieces, TimesOfAnySizeHaveAText) {
  EXPECT_EQ(DateText(0), "unknown");
  EXPECT_EQ(DateText(1700000000), "2023-11-14 22:13:20 UTC");
  EXPECT_EQ(DateText(INT64_MAX), "unknown");
  EXPECT_EQ(DurationText(1'500'000'000), "1.500000 s");
  EXPECT_EQ(DurationText(90'061'000'000'000), "1 d 01:01:01");
}

TEST(Pieces, BytesHaveOneUnit) {
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(UINT64_MAX), "16.0 EiB");
}

TEST(Pieces, LossesStandBeforeRemarks) {
  google::protobuf::RepeatedPtrField<v1::Finding> findings;
  v1::Finding& info = *findings.Add();
  info.set_severity(v1::Finding::SEVERITY_INFO);
  info.set_text("remark");
  v1::Finding& loss = *findings.Add();
  loss.set_severity(v1::Finding::SEVERITY_LOSS);
  loss.set_text("lost");
  std::string text = FindingsText(findings);
  EXPECT_LT(text.find("lost"), text.find("remark"));
  EXPECT_EQ(FindingsText({}), "");
}

}  // namespace
}  // namespace hmem::report
