// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/note_facts.h"

#include <gtest/gtest.h>

#include "tests/makers/pattern.h"

namespace hmem::source {
namespace {

std::vector<format::Note> Vmcoreinfo(std::string_view text) {
  return {{.name = "VMCOREINFO", .type = 0, .desc = makers::Bytes(text)}};
}

TEST(PageBytesFromNotes, TakesPagesizeOfVmcoreinfo) {
  Findings findings;
  EXPECT_EQ(PageBytesFromNotes(Vmcoreinfo("OSRELEASE=6.1.0\nPAGESIZE=65536\nX=1\n"), findings),
            65536u);
  EXPECT_EQ(PageBytesFromNotes(Vmcoreinfo("PAGESIZE=16384"), findings), 16384u);
  EXPECT_TRUE(findings.all().empty());
}

TEST(PageBytesFromNotes, Is4096WhereNothingIsSaid) {
  Findings findings;
  EXPECT_EQ(PageBytesFromNotes({}, findings), 4096u);
  EXPECT_EQ(PageBytesFromNotes(Vmcoreinfo("XPAGESIZE=65536\n"), findings), 4096u);
  EXPECT_TRUE(findings.all().empty());
}

TEST(PageBytesFromNotes, RefusesWhatIsNoPageSizeWithAFinding) {
  for (std::string_view text :
       {"PAGESIZE=0\n", "PAGESIZE=5000\n", "PAGESIZE=x\n", "PAGESIZE=4096x\n", "PAGESIZE=\n",
        "PAGESIZE=1073741824\n", "PAGESIZE=99999999999999999999\n"}) {
    Findings findings;
    EXPECT_EQ(PageBytesFromNotes(Vmcoreinfo(text), findings), 4096u) << text;
    ASSERT_EQ(findings.all().size(), 1u) << text;
    EXPECT_EQ(findings.all()[0].id, "source.page-size");
  }
}

}  // namespace
}  // namespace hmem::source
