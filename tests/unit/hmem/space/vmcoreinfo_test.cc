// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/vmcoreinfo.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/fakes/fake_source.h"

namespace hmem::space {
namespace {

constexpr std::string_view kText =
    "OSRELEASE=6.1.0-56-cloud-amd64\n"
    "PAGESIZE=4096\n"
    "SYMBOL(init_uts_ns)=ffffffffa1ff9b60\n"
    "OFFSET(uts_namespace.name)=0\n"
    "SIZE(page)=64\n"
    "NUMBER(phys_base)=-245366784\n"
    "NUMBER(sme_mask)=140737488355328\n"
    "NUMBER(VMALLOC_START)=0xff69edcbc0000000\n"
    "KERNELOFFSET=1f400000\n"
    "CRASHTIME=1795343818\n";

TEST(Vmcoreinfo, ReadsEveryKindOfValue) {
  Findings findings;
  Vmcoreinfo info = Vmcoreinfo::Parse(kText, findings);
  EXPECT_TRUE(findings.all().empty());
  EXPECT_EQ(info.Text("OSRELEASE"), "6.1.0-56-cloud-amd64");
  EXPECT_EQ(info.Number("PAGESIZE"), 4096u);
  EXPECT_EQ(info.Symbol("init_uts_ns"), VirtAddr(0xffffffffa1ff9b60));
  EXPECT_EQ(info.Offset("uts_namespace.name"), 0u);
  EXPECT_EQ(info.Size("page"), 64u);
  EXPECT_EQ(info.Number("CRASHTIME"), 1795343818u);
}

TEST(Vmcoreinfo, TakesKernelOffsetForHexadecimal) {
  Findings findings;
  EXPECT_EQ(Vmcoreinfo::Parse(kText, findings).Number("KERNELOFFSET"), 0x1f400000u);
}

TEST(Vmcoreinfo, SignExtendsNegativeNumbers) {
  Findings findings;
  EXPECT_EQ(Vmcoreinfo::Parse(kText, findings).Number("NUMBER(phys_base)"),
            static_cast<uint64_t>(int64_t{-245366784}));
}

TEST(Vmcoreinfo, TakesSmeMaskForDecimal) {
  Findings findings;
  EXPECT_EQ(Vmcoreinfo::Parse(kText, findings).Number("NUMBER(sme_mask)"), uint64_t{1} << 47);
}

TEST(Vmcoreinfo, TakesAPrefixForHexadecimal) {
  Findings findings;
  EXPECT_EQ(Vmcoreinfo::Parse(kText, findings).Number("NUMBER(VMALLOC_START)"), 0xff69edcbc0000000);
}

TEST(Vmcoreinfo, HasNoValueForWhatIsNoNumber) {
  Findings findings;
  Vmcoreinfo info = Vmcoreinfo::Parse("NUMBER(a)=12x\nNUMBER(b)=\nSYMBOL(c)=xyz\n", findings);
  EXPECT_FALSE(info.Number("NUMBER(a)"));
  EXPECT_FALSE(info.Number("NUMBER(b)"));
  EXPECT_FALSE(info.Symbol("c"));
  EXPECT_FALSE(info.Number("OSRELEASE"));
  EXPECT_FALSE(info.Text("OSRELEASE"));
}

TEST(Vmcoreinfo, EndsAtTheFirstNul) {
  Findings findings;
  Vmcoreinfo info = Vmcoreinfo::Parse(std::string_view("A=1\n\0B=2\n", 9), findings);
  EXPECT_TRUE(info.Text("A"));
  EXPECT_FALSE(info.Text("B"));
}

TEST(Vmcoreinfo, KeepsALastLineWithoutNewline) {
  Findings findings;
  EXPECT_EQ(Vmcoreinfo::Parse("A=1\nB=2", findings).Text("B"), "2");
}

TEST(Vmcoreinfo, ReportsALineWithoutEqualsSign) {
  Findings findings;
  Vmcoreinfo info = Vmcoreinfo::Parse("A=1\ngarbage\nB=2\n", findings);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].id, "space.vmcoreinfo.line");
  EXPECT_EQ(findings.all()[0].places[0], "VMCOREINFO line 2");
  EXPECT_TRUE(info.Text("B"));
}

TEST(Vmcoreinfo, ReportsALineThatIsTooLong) {
  Findings findings;
  Vmcoreinfo info = Vmcoreinfo::Parse(fmt::format("A={}\nB=2\n", std::string(300, 'x')), findings);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].id, "space.vmcoreinfo.line");
  EXPECT_FALSE(info.Text("A"));
  EXPECT_TRUE(info.Text("B"));
}

TEST(Vmcoreinfo, KeepsTheFirstOfTwoDifferentValues) {
  Findings findings;
  Vmcoreinfo info = Vmcoreinfo::Parse("A=1\nA=2\n", findings);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].id, "space.vmcoreinfo.repeated");
  EXPECT_EQ(info.Text("A"), "1");
}

TEST(Vmcoreinfo, AcceptsTheSameLineTwice) {
  Findings findings;
  Vmcoreinfo::Parse("A=1\nA=1\n", findings);
  EXPECT_TRUE(findings.all().empty());
}

TEST(Vmcoreinfo, StopsAtTooManyKeys) {
  std::string text;
  for (size_t i = 0; i < Vmcoreinfo::kMaxKeys + 10; ++i) text += fmt::format("K{}=1\n", i);
  Findings findings;
  Vmcoreinfo info = Vmcoreinfo::Parse(text, findings);
  EXPECT_EQ(info.all().size(), Vmcoreinfo::kMaxKeys);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].id, "space.vmcoreinfo.keys");
}

TEST(Vmcoreinfo, ComesFromTheNotesOfASource) {
  fakes::FakeSource source;
  source.AddVmcoreinfo("OSRELEASE=6.1.0\n");
  Findings findings;
  auto info = Vmcoreinfo::FromSource(source, findings);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->Text("OSRELEASE"), "6.1.0");
}

TEST(Vmcoreinfo, IsNotFoundInASourceWithoutTheNote) {
  fakes::FakeSource source;
  Findings findings;
  auto info = Vmcoreinfo::FromSource(source, findings);
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hmem::space
