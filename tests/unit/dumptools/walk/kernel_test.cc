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

TEST_F(KernelTest, TextIsLimitedWhateverTheTypesSay) {
  fake.Struct("long_thing", 100000, {{"name", fake.Text(100000), 0}});
  VirtAddr thing = fake.New("long_thing");
  fake.Write(thing, std::vector<std::byte>(100000, std::byte{'a'}));
  EXPECT_EQ(fake.Open().MemberText(thing, "long_thing", "name"), std::string(4096, 'a'));
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
  EXPECT_EQ(kernel.module_types("ext4").error().code(), ErrorCode::kMissingDebugInfo);
}

class ModuleTypes : public KernelTest {
 protected:
  ModuleTypes() {
    fake.Struct("btf_module", 24, {{"list", fake.list_head, 0}, {"btf", fake.pointer, 16}});
    fake.Struct(
        "btf", 72,
        {{"name", fake.Text(56), 0}, {"data", fake.pointer, 56}, {"data_size", fake.u32, 64}});
    makers::BtfMaker maker = makers::BtfMaker::SplitFrom(fake.btf);
    maker.Struct("own", 4, {{"value", fake.u32, 0}});
    split = maker.Make();
  }
  void Add(std::string_view name, VirtAddr data, uint64_t bytes) {
    VirtAddr module = fake.New("btf_module"), btf = fake.New("btf");
    fake.SetText(btf, "btf", "name", name);
    fake.SetPointer(btf, "btf", "data", data);
    fake.Set(btf, "btf", "data_size", bytes);
    fake.SetPointer(module, "btf_module", "btf", btf);
    list.push_back(fake.At(module, "btf_module", "list"));
  }
  VirtAddr PutSplit() {
    VirtAddr data = fake.NewBytes(split.size());
    fake.Write(data, split);
    return data;
  }
  const Kernel& Open() {
    list.insert(list.begin(), fake.NewBytes(16));
    fake.Symbol("btf_modules", list.front());
    fake.List(list);
    return fake.Open();
  }

  std::vector<std::byte> split;
  std::vector<VirtAddr> list;
};

TEST_F(ModuleTypes, GoOnFromTheKernels) {
  Add("ext4", PutSplit(), split.size());
  const Kernel& kernel = Open();
  Result<const types::TypeDb*> types = kernel.module_types("ext4");
  ASSERT_TRUE(types) << types.error().ToString();
  EXPECT_EQ((*types)->SizeOf("own"), 4u);
  EXPECT_EQ((*types)->SizeOf("thing"), 32u);
  EXPECT_EQ(kernel.module_types("ext4"), *types);
  EXPECT_THAT(kernel.findings().all(), ::testing::IsEmpty());
}

TEST_F(ModuleTypes, UnreadableOnesAreALossOnceAskedFor) {
  VirtAddr data = PutSplit();
  fake.Fail(data, split.size(), ErrorCode::kExcluded);
  Add("ext4", data, split.size());
  const Kernel& kernel = Open();
  EXPECT_FALSE(kernel.findings().HasLosses());
  EXPECT_EQ(kernel.module_types("ext4").error().code(), ErrorCode::kExcluded);
  EXPECT_EQ(kernel.module_types("ext4").error().code(), ErrorCode::kExcluded);
  ASSERT_EQ(kernel.findings().all().size(), 1u);
  EXPECT_EQ(kernel.findings().all()[0].id, "walk.modules.no-types");
  EXPECT_EQ(kernel.findings().all()[0].count, 1u);
}

TEST_F(ModuleTypes, OfOneModuleAreLimited) {
  Add("ext4", PutSplit(), (64 << 20) + 1);
  EXPECT_EQ(Open().module_types("ext4").error().code(), ErrorCode::kLimit);
}

TEST_F(ModuleTypes, OfAllModulesTogetherAreLimited) {
  for (std::string_view name : {"a", "b", "c", "d", "e"}) Add(name, PutSplit(), 60 << 20);
  const Kernel& kernel = Open();
  for (std::string_view name : {"a", "b", "c", "d"}) {
    EXPECT_EQ(kernel.module_types(name).error().code(), ErrorCode::kNotFound);  // nothing behind
  }
  EXPECT_EQ(kernel.module_types("e").error().code(), ErrorCode::kLimit);
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
