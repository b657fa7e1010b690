// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/identity.h"

#include <gtest/gtest.h>

namespace hmem::firstfailure {
namespace {

TEST(Identity, ReadsIdsAndLabels) {
  Findings findings;
  auto identity =
      ParseIdentity("# made when armed\nhost_id=abc\narm_id=def\r\nlabel.rack=r=7\n\n", findings);
  EXPECT_EQ(identity.host_id, "abc");
  EXPECT_EQ(identity.arm_id, "def");
  ASSERT_EQ(identity.labels.size(), 1u);
  EXPECT_EQ(identity.labels[0].first, "rack");
  EXPECT_EQ(identity.labels[0].second, "r=7");
  EXPECT_TRUE(findings.all().empty());
}

TEST(Identity, ReadsTheTimelineInItsOrder) {
  Findings findings;
  auto identity = ParseIdentity(
      "timeline.capture kernel up=1234567890\ntimeline.target ready=2000000000\n", findings);
  ASSERT_EQ(identity.timeline.size(), 2u);
  EXPECT_EQ(identity.timeline[0].first, "capture kernel up");
  EXPECT_EQ(identity.timeline[0].second, 1'234'567'890u);
  EXPECT_EQ(identity.timeline[1].first, "target ready");
  EXPECT_TRUE(findings.all().empty());
}

TEST(Identity, AnEventWithoutATimeIsAFinding) {
  for (std::string_view text : {"timeline.x=soon\n", "timeline.x=1s\n", "timeline.x=-1\n",
                                "timeline.x=99999999999999999999\n", "timeline.x=\n"}) {
    Findings findings;
    EXPECT_TRUE(ParseIdentity(text, findings).timeline.empty()) << text;
    ASSERT_EQ(findings.all().size(), 1u) << text;
    EXPECT_EQ(findings.all()[0].id, "record.identity.bad-event");
  }
}

TEST(Identity, EventsAreBounded) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "timeline.e=1\n";
  Findings findings;
  EXPECT_EQ(ParseIdentity(text, findings).timeline.size(), 64u);
}

TEST(Identity, ALineThatIsNoPairIsAFinding) {
  Findings findings;
  ParseIdentity("nonsense\n", findings);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].id, "record.identity.bad-line");
}

TEST(Identity, AnUnknownKeyIsAFinding) {
  Findings findings;
  ParseIdentity("colour=red\n", findings);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].id, "record.identity.unknown-key");
}

TEST(Identity, LabelsAreBounded) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "label.k" + std::to_string(i) + "=v\n";
  Findings findings;
  EXPECT_EQ(ParseIdentity(text, findings).labels.size(), 64u);
  EXPECT_EQ(findings.all()[0].id, "record.identity.too-many-labels");
}

TEST(Identity, AMissingFileIsAnError) {
  Findings findings;
  auto identity = ReadIdentityFile("/nonexistent/identity", findings);
  ASSERT_FALSE(identity.has_value());
  EXPECT_EQ(identity.error().code(), ErrorCode::kIo);
}

TEST(CrashId, IsTheFirstHalfOfASha256) {
  // sha256 of "host\0boot\01700000000\0arm\0"
  EXPECT_EQ(CrashId("host", "boot", 1700000000, "arm"), "f040f21f915d14ce05abdcbfcbcbe78e");
}

TEST(CrashId, PartsDoNotRunIntoEachOther) {
  EXPECT_NE(CrashId("ab", "c", 1, ""), CrashId("a", "bc", 1, ""));
}

TEST(CrashId, IsEmptyWhenNothingIsKnown) { EXPECT_EQ(CrashId("", "", 0, ""), ""); }

TEST(SameCrash, NeedsReleaseTimeAndKaslrOffset) {
  v1::FirstFailure a;
  a.mutable_kernel()->set_release("6.1.0");
  a.mutable_kernel()->set_kaslr_offset(0x1000000);
  EXPECT_FALSE(SameCrash(a, a));
  a.mutable_clock()->set_crash_time_s(1700000000);
  EXPECT_TRUE(SameCrash(a, a));
  v1::FirstFailure b = a;
  b.mutable_kernel()->set_kaslr_offset(0x2000000);
  EXPECT_FALSE(SameCrash(a, b));
  b = a;
  b.mutable_clock()->set_crash_time_s(1700000001);
  EXPECT_FALSE(SameCrash(a, b));
  b = a;
  b.mutable_kernel()->set_release("6.12.0");
  EXPECT_FALSE(SameCrash(a, b));
}

}  // namespace
}  // namespace hmem::firstfailure
