// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/kernel.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/fakes/fake_kernel.h"
#include "tests/makers/kallsyms_maker.h"
#include "tests/makers/orc_maker.h"

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

// A kernel image as Open meets it: kallsyms, BTF and ORC tables in memory, and one module with its
// own symbols and ORC tables.
class KernelImage : public ::testing::Test {
 protected:
  static constexpr VirtAddr kText{0xffffffff81000000};
  static constexpr VirtAddr kOrcIps = kText + 0x200000, kOrcEntries = kText + 0x300000;
  static constexpr VirtAddr kBtf = kText + 0x400000;
  static constexpr VirtAddr kModules = kText + 0x500000, kModule = kText + 0x501000;
  static constexpr VirtAddr kModuleTables = kText + 0x510000;
  static constexpr VirtAddr kUts = kText + 0x600000, kStack = kText + 0x610000;
  static constexpr VirtAddr kKallsyms = kText + 0x700000, kModuleText = kText + 0x900000;
  static constexpr uint64_t kFunctionBytes = 0x100, kFunctions = 100;
  static constexpr uint64_t kPhys = 0x1000000;

  KernelImage() {
    PutModule();
    std::vector<std::byte> btf = MakeBtf();
    memory.Write(kBtf, btf);
    makers::OrcMaker orc(unwind::OrcVersion::k1);
    for (uint64_t i = 0; i + 1 < kFunctions; ++i) orc.AddCall(kText + i * kFunctionBytes, 8);
    orc.AddEnd(kText + (kFunctions - 1) * kFunctionBytes);
    orc.AddGap(kText + kFunctions * kFunctionBytes);
    const uint64_t orcs = orc.Put(memory, kOrcIps, kOrcEntries).count;

    makers::KallsymsMaker symbols(
        {.address_code = makers::KallsymsMaker::AddressCode::kBaseRelative});
    symbols.Add('T', "_stext", kText.value);
    symbols.Add('T', "outermost", (kText + (kFunctions - 1) * kFunctionBytes).value);
    symbols.Add('R', "__start_orc_unwind_ip", kOrcIps.value);
    symbols.Add('R', "__stop_orc_unwind_ip", (kOrcIps + orcs * 4).value);
    symbols.Add('R', "__start_orc_unwind", kOrcEntries.value);
    symbols.Add('R', "__stop_orc_unwind", (kOrcEntries + orcs * 6).value);
    symbols.Add('R', "__start_BTF", kBtf.value);
    symbols.Add('R', "__stop_BTF", (kBtf + btf.size()).value);
    symbols.Add('d', "modules", kModules.value);
    vmcoreinfo = symbols.Store(memory, kKallsyms) +
                 "OSRELEASE=6.1.0-made\nOFFSET(uts_namespace.name)=0\nSYMBOL(init_uts_ns)=" +
                 fmt::format("{:x}\n", kUts.value);
    memory.WriteText(kUts + 2 * 65, "6.1.0-made");
    memory.AddZero({kUts, kUts + 0x1000});
  }

  static std::vector<std::byte> MakeBtf() {
    makers::BtfMaker btf;
    const uint32_t u32 = btf.Int("unsigned int", 4), u64 = btf.Int("long unsigned int", 8);
    const uint32_t name = btf.Array(btf.Int("char", 1), 56), pointer = btf.Pointer(0);
    const uint32_t list =
        btf.Struct("list_head", 16, {{"next", pointer, 0}, {"prev", pointer, 64}});
    const uint32_t layout = btf.Struct(
        "module_layout", 16, {{"base", pointer, 0}, {"size", u32, 64}, {"text_size", u32, 96}});
    const uint32_t arch = btf.Struct(
        "mod_arch_specific", 24,
        {{"num_orcs", u32, 0}, {"orc_unwind_ip", pointer, 64}, {"orc_unwind", pointer, 128}});
    btf.Struct("module", 144,
               {{"state", u32, 0},
                {"list", list, 8 * 8},
                {"name", name, 24 * 8},
                {"version", pointer, 80 * 8},
                {"taints", u64, 88 * 8},
                {"kallsyms", pointer, 96 * 8},
                {"core_layout", layout, 104 * 8},
                {"arch", arch, 120 * 8}});
    btf.Struct("mod_kallsyms", 32,
               {{"symtab", pointer, 0},
                {"num_symtab", u32, 64},
                {"strtab", pointer, 128},
                {"typetab", pointer, 192}});
    return btf.Make();
  }

  void PutModule() {
    memory.AddZero({kModules, kModule + 0x1000});
    for (VirtAddr from : {kModules, kModule + 8}) {
      const VirtAddr to = from == kModules ? kModule + 8 : kModules;
      memory.PutPointer(from, to);
      memory.PutPointer(to + 8, from);
    }
    memory.WriteText(kModule + 24, "made");
    memory.PutPointer(kModule + 96, kModuleTables);
    memory.PutPointer(kModule + 104, kModuleText);
    memory.PutU32(kModule + 112, 0x1000);
    memory.PutU32(kModule + 116, 0x1000);
    // struct mod_kallsyms, then the null symbol and one function, names and letters.
    const VirtAddr symtab = kModuleTables + 0x100, names = kModuleTables + 0x200;
    memory.AddZero({kModuleTables, kModuleTables + 0x1000});
    memory.PutPointer(kModuleTables, symtab);
    memory.PutU32(kModuleTables + 8, 2);
    memory.PutPointer(kModuleTables + 16, names);
    memory.PutPointer(kModuleTables + 24, names + 0x20);
    memory.PutU32(symtab + 24, 1);
    memory.PutU16(symtab + 24 + 6, 1);
    memory.PutPointer(symtab + 24 + 8, kModuleText);
    memory.WriteText(names + 1, "made_function");
    memory.WriteText(names + 0x20, "?t");
    makers::OrcMaker orc(unwind::OrcVersion::k1);
    orc.AddCall(kModuleText, 16);
    const unwind::OrcTable table = orc.Put(memory, kModuleTables + 0x400, kModuleTables + 0x500);
    memory.PutU32(kModule + 120, static_cast<uint32_t>(table.count));
    memory.PutPointer(kModule + 128, table.ip_table);
    memory.PutPointer(kModule + 136, table.entry_table);
  }

  const Kernel& Open() {
    source.segments.push_back({{kText, kText + 0x1000000}, PhysAddr(kPhys)});
    for (const VirtRange& range : memory.map().Ranges()) {
      std::vector<std::byte> bytes(range.size());
      EXPECT_TRUE(memory.Read(range.start, bytes));
      source.memory.Write(PhysAddr(kPhys) + (range.start - kText), bytes);
    }
    source.AddVmcoreinfo(vmcoreinfo);
    Result<std::unique_ptr<Kernel>> opened = Kernel::Open(source);
    EXPECT_TRUE(opened) << opened.error().ToString();
    kernel = *std::move(opened);
    return *kernel;
  }
  void Lose(VirtAddr at, uint64_t bytes) {
    const PhysAddr start = PhysAddr(kPhys) + (at - kText);
    source.memory.Fail({start, start + bytes}, ErrorCode::kExcluded);
  }
  // There are no page tables, so that every dump of this image has one finding that says so.
  std::vector<std::string> FindingIds() const {
    std::vector<std::string> ids;
    for (const Finding& finding : kernel->findings().all()) {
      if (finding.id != "space.tables") ids.push_back(finding.id);
    }
    return ids;
  }

  fakes::FakeVirtMemory memory;
  fakes::FakeSource source;
  std::string vmcoreinfo;
  std::unique_ptr<Kernel> kernel;
};

TEST_F(KernelImage, OpensWithAllItsPieces) {
  Open();
  EXPECT_THAT(FindingIds(), ::testing::IsEmpty());
  EXPECT_EQ(kernel->SymbolAddress("modules"), kModules);
  EXPECT_EQ(kernel->SizeOf("module"), 144u);
  std::optional<symbols::Located> located = kernel->symbols().Locate(kModuleText + 4);
  ASSERT_TRUE(located);
  EXPECT_EQ(located->symbol.name, "made_function");
  EXPECT_EQ(located->symbol.module, "made");
}

TEST_F(KernelImage, StacksPassThroughModules) {
  memory.AddZero({kStack, kStack + 0x1000});
  const VirtAddr outermost = kText + (kFunctions - 1) * kFunctionBytes + 0x20;
  memory.PutU64(kStack + 0x108, outermost.value);
  Open();
  Result<const unwind::Unwinder*> unwinder = kernel->unwinder();
  ASSERT_TRUE(unwinder) << unwinder.error().ToString();
  unwind::Start start{.registers = space::RegisterSet::Empty(kernel->arch())};
  start.registers.Set(kernel->arch(), "rip", (kModuleText + 4).value);
  start.registers.Set(kernel->arch(), "rsp", (kStack + 0x100).value);
  unwind::Stack stack = (*unwinder)->Unwind(start, {});
  ASSERT_EQ(stack.frames.size(), 2u);
  EXPECT_EQ(stack.frames[1].pc, outermost);
  EXPECT_EQ(stack.end_reason, "");
}

TEST_F(KernelImage, WithoutTypesKeepsSymbolsAndStacks) {
  Lose(kBtf, 1);
  Open();
  EXPECT_THAT(FindingIds(), ::testing::ElementsAre("walk.kernel.no-types"));
  EXPECT_EQ(kernel->types().error().code(), ErrorCode::kExcluded);
  EXPECT_EQ(kernel->SymbolAddress("modules"), kModules);
  EXPECT_TRUE(kernel->unwinder());
}

TEST_F(KernelImage, WithoutSymbolsSaysWhatElseIsMissing) {
  Lose(kKallsyms, 0x10000);
  Open();
  EXPECT_THAT(FindingIds(), ::testing::ElementsAre("walk.kernel.no-symbols", "walk.kernel.no-types",
                                                   "walk.kernel.no-unwinder"));
  EXPECT_EQ(kernel->unwinder().error().code(), ErrorCode::kMissingDebugInfo);
}

TEST_F(KernelImage, ModuleWhoseOrcTableCannotBeReadIsALoss) {
  // The page of struct module that holds its ORC tables, and only these.
  const VirtAddr module = kModule + 0x1000 - 120;
  std::vector<std::byte> bytes(120);
  ASSERT_TRUE(memory.Read(kModule, bytes));
  memory.Write(module, bytes);
  memory.PutPointer(kModules, module + 8);
  memory.PutPointer(kModules + 8, module + 8);
  memory.AddZero({kModule + 0x1000, kModule + 0x2000});
  Lose(kModule + 0x1000, 1);
  Open();
  EXPECT_THAT(FindingIds(), ::testing::ElementsAre("walk.modules.no-orc"));
  EXPECT_TRUE(kernel->unwinder());
}

}  // namespace
}  // namespace hmem::walk
