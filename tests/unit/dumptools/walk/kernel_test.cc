// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_kernel.h"

namespace hmem::walk {
namespace {

using ::testing::HasSubstr;

class KernelTest : public ::testing::Test {
 protected:
  KernelTest() {
    fake.Struct("thing", 32,
                {{"count", fake.s32, 4}, {"next", fake.pointer, 8}, {"name", fake.Text(8), 16}});
    fake.btf.Struct("flags", 8,
                    {{"low", fake.u32, 0, 3}, {"wide", fake.u32, 3, 10}, {"sign", fake.s32, 13, 4}},
                    true);
  }
  fakes::FakeKernel fake;
};

TEST_F(KernelTest, SignedMembersAreExtended) {
  VirtAddr thing = fake.New("thing");
  fake.Set(thing, "thing", "count", static_cast<uint64_t>(-5));
  EXPECT_EQ(fake.Open().Member(thing, "thing", "count"), static_cast<uint64_t>(-5));
}

TEST_F(KernelTest, BitFieldsAreCutOut) {
  VirtAddr flags = fake.New("flags");
  fake.PutU32(flags, 5 | 777 << 3 | 0xe << 13);
  const Kernel& kernel = fake.Open();
  EXPECT_EQ(kernel.Member(flags, "flags", "low"), 5u);
  EXPECT_EQ(kernel.Member(flags, "flags", "wide"), 777u);
  EXPECT_EQ(kernel.Member(flags, "flags", "sign"), static_cast<uint64_t>(-2));
}

TEST_F(KernelTest, TextWithoutNulEndsWithItsMember) {
  VirtAddr thing = fake.New("thing");
  fake.SetText(thing, "thing", "name", "12345678ninth");
  EXPECT_EQ(fake.Open().MemberText(thing, "thing", "name"), "12345678");
}

TEST_F(KernelTest, ContainerUndoesMemberAddress) {
  VirtAddr thing = fake.New("thing");
  const Kernel& kernel = fake.Open();
  EXPECT_EQ(kernel.Container(*kernel.MemberAddress(thing, "thing", "next"), "thing", "next"),
            thing);
}

TEST_F(KernelTest, UnreadableMemberNamesStructureMemberAndObject) {
  Result<uint64_t> value = fake.Open().Member(VirtAddr(0xdead000000000000), "thing", "count");
  ASSERT_FALSE(value);
  EXPECT_THAT(value.error().ToString(), HasSubstr("thing.count of 0xdead000000000000"));
}

TEST_F(KernelTest, UnknownMemberIsMissingDebugInfo) {
  const Kernel& kernel = fake.Open();
  EXPECT_EQ(kernel.Member(VirtAddr(0), "thing", "nope").error().code(),
            ErrorCode::kMissingDebugInfo);
  EXPECT_FALSE(kernel.HasMember("thing", "nope"));
  EXPECT_TRUE(kernel.HasMember("thing", "count"));
}

TEST_F(KernelTest, VmcoreinfoSymbolsComeFirst) {
  fake.vmcoreinfo = "SYMBOL(prb)=ffffffff81234560\n";
  fake.Symbol("prb", VirtAddr(0xffffffff81000000));
  const Kernel& kernel = fake.Open();
  EXPECT_EQ(kernel.SymbolAddress("prb"), VirtAddr(0xffffffff81234560));
  EXPECT_THAT(kernel.SymbolAddress("nope").error().ToString(), HasSubstr("nope"));
}

TEST_F(KernelTest, PerCpuWithoutOffsetsIsAPlainVariableOnCpu0Only) {
  fake.Symbol("runqueues", VirtAddr(0xffffffff81000000));
  const Kernel& kernel = fake.Open();
  EXPECT_EQ(kernel.PerCpu("runqueues", 0), VirtAddr(0xffffffff81000000));
  EXPECT_EQ(kernel.PerCpu("runqueues", 1).error().code(), ErrorCode::kMissingDebugInfo);
  EXPECT_EQ(kernel.PerCpu("runqueues", 8192).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(KernelTest, PiecesThatAreNotThereSaySo) {
  const Kernel& kernel = fake.Open();
  EXPECT_EQ(kernel.unwinder().error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(kernel.module_types("ext4"), nullptr);
}

TEST(KernelOpen, WithoutVmcoreinfoThereIsNothing) {
  fakes::FakeSource source;
  Result<std::unique_ptr<Kernel>> kernel = Kernel::Open(source);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().code(), ErrorCode::kNotFound);
}

TEST(KernelOpen, UnknownArchitectureIsNamed) {
  fakes::FakeSource source;
  source.machine = 0x7777;
  Result<std::unique_ptr<Kernel>> kernel = Kernel::Open(source);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::walk
