// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/utsname.h"

#include <gtest/gtest.h>

#include <string>

#include "hmem/base/findings.h"
#include "tests/fakes/fake_memory.h"
#include "tests/makers/pattern.h"

namespace hmem::space {
namespace {

constexpr VirtAddr kAt{0xffffffff82000000};

class ReadUtsnameTest : public testing::Test {
 protected:
  // struct new_utsname behind so many bytes of something else.
  void Put(uint64_t offset) {
    memory_.AddZero({kAt, kAt + 8192});
    VirtAddr at = kAt + offset;
    for (const char* text : {"Linux", "host", "6.1.0-56", "#1 SMP", "x86_64", "(none)"}) {
      memory_.Write(at, makers::Bytes(text));
      at = at + Utsname::kFieldBytes;
    }
  }
  Result<Utsname> Read(std::string_view vmcoreinfo) {
    Findings findings;
    return ReadUtsname(memory_, kAt, Vmcoreinfo::Parse(vmcoreinfo, findings));
  }

  fakes::FakeVirtMemory memory_;
};

TEST_F(ReadUtsnameTest, HasAllSixNames) {
  Put(0);
  auto names = Read("OSRELEASE=6.1.0-56\nOFFSET(uts_namespace.name)=0\n");
  ASSERT_TRUE(names) << names.error().ToString();
  EXPECT_EQ(names->fields, (std::array<std::string, 6>{"Linux", "host", "6.1.0-56", "#1 SMP",
                                                       "x86_64", "(none)"}));
}

TEST_F(ReadUtsnameTest, TakesTheOffsetThatVmcoreinfoHas) {
  Put(16);
  auto names = Read("OSRELEASE=6.1.0-56\nOFFSET(uts_namespace.name)=16\n");
  ASSERT_TRUE(names);
  EXPECT_EQ(names->machine(), "x86_64");
}

TEST_F(ReadUtsnameTest, LooksBehindTheKrefOfOldKernels) {
  Put(4);
  auto names = Read("OSRELEASE=6.1.0-56\n");
  ASSERT_TRUE(names);
  EXPECT_EQ(names->release(), "6.1.0-56");
}

TEST_F(ReadUtsnameTest, AnotherReleaseIsCorrupt) {
  Put(0);
  auto names = Read("OSRELEASE=6.12.0\n");
  ASSERT_FALSE(names);
  EXPECT_EQ(names.error().code(), ErrorCode::kCorrupt);
}

TEST_F(ReadUtsnameTest, MemoryThatIsNotThereIsNamed) {
  auto names = Read("OSRELEASE=6.1.0-56\n");
  ASSERT_FALSE(names);
  EXPECT_EQ(names.error().code(), ErrorCode::kNotMapped);
  EXPECT_NE(names.error().ToString().find("init_uts_ns"), std::string::npos);
}

}  // namespace
}  // namespace hmem::space
