// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/symbols/kallsyms.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/kallsyms_maker.h"

namespace hmem::symbols {
namespace {

using makers::KallsymsMaker;
using ::testing::HasSubstr;
using AddressCode = KallsymsMaker::AddressCode;

constexpr VirtAddr kTables{0xffffffff82000000};
constexpr uint64_t kText = 0xffffffff81000000;

space::Vmcoreinfo Info(std::string_view keys) {
  Findings ignored;
  return space::Vmcoreinfo::Parse(keys, ignored);
}

// Without the line of that symbol.
std::string Without(std::string keys, std::string_view symbol) {
  size_t at = keys.find(fmt::format("SYMBOL({})", symbol));
  EXPECT_NE(at, std::string::npos) << symbol;
  return keys.erase(at, keys.find('\n', at) + 1 - at);
}

uint64_t ValueOf(const std::string& keys, std::string_view symbol) {
  return Info(keys).Symbol(symbol).value_or(VirtAddr(0)).value;
}

// Symbols as of a kernel: per-CPU offsets where the layout has them, enough names for three
// markers.
KallsymsMaker Typical(KallsymsMaker::Layout layout) {
  KallsymsMaker maker(layout);
  if (layout.address_code == AddressCode::kAbsolutePercpu) {
    maker.Add('A', "__per_cpu_start", 0).Add('A', "runqueues", 0x31980);
  }
  maker.Add('T', "_stext", kText).Add('T', "_text", kText);
  for (uint64_t i = 0; i < 600; ++i) {
    maker.Add('t', fmt::format("ext4_{}_str", i), kText + 0x100 + i * 0x10);
  }
  maker.Add('D', "init_task", kText + 0x1000000);
  return maker;
}

class Load : public ::testing::Test {
 protected:
  Status Run(std::string_view keys) {
    Status status = LoadKallsyms(memory_, Info(keys), table_, findings_);
    table_.Seal();
    return status;
  }

  fakes::FakeVirtMemory memory_;
  SymbolTable table_;
  Findings findings_;
};

struct LayoutCase {
  std::string_view name;
  KallsymsMaker::Layout layout;
};

class EveryLayout : public Load, public ::testing::WithParamInterface<LayoutCase> {};

INSTANTIATE_TEST_SUITE_P(
    Kallsyms, EveryLayout,
    ::testing::Values(
        LayoutCase{"percpu", {.address_code = AddressCode::kAbsolutePercpu}},
        LayoutCase{"percpu64",
                   {.address_code = AddressCode::kAbsolutePercpu, .offsets_last = true}},
        LayoutCase{"percpuOld",
                   {.address_code = AddressCode::kAbsolutePercpu, .long_lengths = false}},
        LayoutCase{"relative", {.address_code = AddressCode::kBaseRelative}},
        LayoutCase{"relativeLast",
                   {.address_code = AddressCode::kBaseRelative, .offsets_last = true}},
        LayoutCase{"place", {.address_code = AddressCode::kPlaceRelative, .offsets_last = true}},
        LayoutCase{"addresses", {.address_code = AddressCode::kAddresses}},
        LayoutCase{"addressesOld",
                   {.address_code = AddressCode::kAddresses, .long_lengths = false}}),
    [](const auto& layout_case) { return std::string(layout_case.param.name); });

TEST_P(EveryLayout, YieldsEverySymbolWithItsAddress) {
  Status status = Run(Typical(GetParam().layout).Store(memory_, kTables));
  ASSERT_TRUE(status) << status.error().ToString();
  EXPECT_TRUE(findings_.all().empty());
  EXPECT_EQ(table_.Find("_stext")->address, VirtAddr(kText));
  EXPECT_EQ(table_.Find("ext4_599_str")->address, VirtAddr(kText + 0x100 + 599 * 0x10));
  EXPECT_EQ(table_.Find("ext4_599_str")->kind, 't');
  EXPECT_EQ(table_.Find("init_task")->address, VirtAddr(kText + 0x1000000));
  EXPECT_EQ(table_.Find("init_task")->kind, 'D');
  if (GetParam().layout.address_code == AddressCode::kAbsolutePercpu) {
    EXPECT_EQ(table_.Find("runqueues")->address, VirtAddr(0x31980));
    EXPECT_EQ(table_.Find("runqueues")->kind, 'A');
  }
}

TEST_P(EveryLayout, TellsLongNamesByTheMarkers) {
  // 200 tokens: two bytes of length from 6.1 on, one before.
  const std::string name(200, 'q');
  KallsymsMaker maker = Typical(GetParam().layout);
  maker.Add('t', name, kText + 0x2000000).Add('t', "behind", kText + 0x2000010);
  Status status = Run(maker.Store(memory_, kTables));
  ASSERT_TRUE(status) << status.error().ToString();
  EXPECT_TRUE(findings_.all().empty());
  ASSERT_TRUE(table_.Find(name));
  EXPECT_EQ(table_.Find(name)->address, VirtAddr(kText + 0x2000000));
  EXPECT_EQ(table_.Find("behind")->address, VirtAddr(kText + 0x2000010));
}

TEST(Kallsyms, LoadsFromABigEndian32BitKernel) {
  fakes::FakeVirtMemory memory(Endian::kBig, 4);
  KallsymsMaker maker({.address_code = AddressCode::kBaseRelative});
  maker.Add('T', "_stext", 0xc0000000).Add('T', "start_kernel", 0xc0800000);
  std::string keys = maker.Store(memory, VirtAddr(0xc0a00000));
  SymbolTable table;
  Findings findings;
  Status status = LoadKallsyms(memory, Info(keys), table, findings);
  ASSERT_TRUE(status) << status.error().ToString();
  table.Seal();
  EXPECT_EQ(table.Find("start_kernel")->address, VirtAddr(0xc0800000));
}

TEST_F(Load, ReadsNamesOfMoreThan255Tokens) {
  const std::string name(300, 'q');
  KallsymsMaker maker = Typical({});
  maker.Add('t', name, kText + 0x2000000);
  ASSERT_TRUE(Run(maker.Store(memory_, kTables)));
  EXPECT_TRUE(table_.Find(name));
}

TEST_F(Load, GoesByStextWhereTheMarkersAreDamaged) {
  ASSERT_TRUE(Run(Typical({.markers = false}).Store(memory_, kTables)));
  ASSERT_EQ(findings_.all().size(), 1u);
  EXPECT_EQ(findings_.all()[0].id, "symbols.kallsyms.markers");
  EXPECT_TRUE(table_.Find("init_task"));
}

TEST_F(Load, IsNotFoundWithoutAKey) {
  const std::string keys = Typical({}).Store(memory_, kTables);
  for (std::string_view key :
       {"_stext", "kallsyms_names", "kallsyms_num_syms", "kallsyms_token_table",
        "kallsyms_token_index", "kallsyms_offsets"}) {
    Status status = Run(Without(keys, key));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::kNotFound);
    EXPECT_THAT(status.error().ToString(), HasSubstr(key));
  }
}

TEST_F(Load, IsCorruptWhenNoLayoutYieldsStext) {
  std::string keys = Typical({}).Store(memory_, kTables);
  keys = Without(keys, "_stext") + fmt::format("SYMBOL(_stext)={:x}\n", kText + 4);
  Status status = Run(keys);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
}

TEST_F(Load, IsCorruptWithoutSymbols) {
  const std::string keys = Typical({}).Store(memory_, kTables);
  memory_.PutU32(VirtAddr(ValueOf(keys, "kallsyms_num_syms")), 0);
  EXPECT_EQ(Run(keys).error().code(), ErrorCode::kCorrupt);
}

TEST_F(Load, IsCorruptWithMoreSymbolsThanAnyKernelHas) {
  const std::string keys = Typical({}).Store(memory_, kTables);
  memory_.PutU32(VirtAddr(ValueOf(keys, "kallsyms_num_syms")), 0xffffffff);
  EXPECT_EQ(Run(keys).error().code(), ErrorCode::kCorrupt);
}

TEST_F(Load, IsCorruptWithATokenOutsideTheTable) {
  const std::string keys = Typical({}).Store(memory_, kTables);
  memory_.PutU16(VirtAddr(ValueOf(keys, "kallsyms_token_index") + 2 * 'q'), 0xffff);
  Status status = Run(keys);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(status.error().ToString(), HasSubstr("token 113"));
}

TEST_F(Load, KeepsTheCodeOfAnUnreadableTokenIndex) {
  const std::string keys = Typical({}).Store(memory_, kTables);
  const VirtAddr index(ValueOf(keys, "kallsyms_token_index"));
  memory_.Fail({index, index + 1}, ErrorCode::kExcluded);
  EXPECT_EQ(Run(keys).error().code(), ErrorCode::kExcluded);
}

// Names of several pages, of which each may be missing.
class LoadWithHoles : public Load {
 protected:
  std::string Store(KallsymsMaker::Layout layout) {
    KallsymsMaker maker(layout);
    maker.Add('T', "_stext", kText);
    for (uint64_t i = 0; i < 3000; ++i) maker.Add('t', fmt::format("f{}", i), kText + 16 + i * 16);
    return maker.Store(memory_, kTables);
  }
  // A page of a table, counted from the one it begins in.
  void Lose(const std::string& keys, std::string_view table, uint64_t page, ErrorCode code) {
    const VirtAddr missing(((ValueOf(keys, table) >> 12) + page) << 12);
    memory_.Fail({missing, missing + 0x1000}, code);
  }
};

class AroundAHole : public LoadWithHoles, public ::testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(Kallsyms, AroundAHole, ::testing::Bool(), [](const auto& sequences) {
  return sequences.param ? "WithSequences" : "Plain";
});

TEST_P(AroundAHole, YieldsTheSymbols) {
  const std::string keys = Store({.sequences = GetParam()});
  Lose(keys, "kallsyms_names", 1, ErrorCode::kTruncated);
  Status status = Run(keys);
  ASSERT_TRUE(status) << status.error().ToString();
  ASSERT_EQ(findings_.all().size(), 1u);
  EXPECT_EQ(findings_.all()[0].id, "symbols.kallsyms.cut");
  EXPECT_TRUE(findings_.HasLosses());
  EXPECT_TRUE(table_.Find("f0"));
  // 4096 bytes are some 600 names; what is left of a block of 256 goes with them.
  EXPECT_GT(table_.size(), 3001u - 700 - 2 * 256);
  EXPECT_LT(table_.size(), 3001u - 500);
  ASSERT_TRUE(table_.Find("f2999"));
  EXPECT_EQ(table_.Find("f2999")->address, VirtAddr(kText + 16 + 2999 * 16));
}

TEST_F(LoadWithHoles, EndsAtAMissingPageWhereTheMarkersAreDamaged) {
  const std::string keys = Store({.markers = false});
  Lose(keys, "kallsyms_names", 1, ErrorCode::kTruncated);
  Status status = Run(keys);
  ASSERT_TRUE(status) << status.error().ToString();
  EXPECT_TRUE(table_.Find("f0"));
  EXPECT_FALSE(table_.Find("f2999"));
  EXPECT_TRUE(findings_.HasLosses());
}

TEST_F(LoadWithHoles, KeepsTheCodeOfTheMissingPageThatStextIsIn) {
  const std::string keys = Store({.offsets_last = true});
  const VirtAddr names(ValueOf(keys, "kallsyms_names"));
  memory_.Fail({names, names + 1}, ErrorCode::kExcluded);
  Status status = Run(keys);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kExcluded);
  EXPECT_THAT(status.error().ToString(), HasSubstr("kallsyms_names"));
}

TEST_F(LoadWithHoles, YieldsTheSymbolsThatHaveAddresses) {
  const std::string keys = Store({.offsets_last = true});
  Lose(keys, "kallsyms_offsets", 1, ErrorCode::kIo);
  Status status = Run(keys);
  ASSERT_TRUE(status) << status.error().ToString();
  EXPECT_EQ(table_.size(), 3001u - 1024);
  EXPECT_TRUE(table_.Find("f2999"));
  EXPECT_TRUE(findings_.HasLosses());
}

TEST_F(Load, KeepsTheCodeOfAnUnreadableTokenTable) {
  const std::string keys = Typical({}).Store(memory_, kTables);
  const VirtAddr table(ValueOf(keys, "kallsyms_token_table"));
  memory_.Fail({table, table + 1}, ErrorCode::kExcluded);
  Status status = Run(keys);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kExcluded);
}

TEST_F(Load, KeepsTheCodeOfTheMissingAddressOfStext) {
  KallsymsMaker maker({.offsets_last = true});
  maker.Add('T', "_stext", kText);
  const std::string keys = maker.Store(memory_, kTables);
  const VirtAddr offsets(ValueOf(keys, "kallsyms_offsets"));
  memory_.Fail({offsets, offsets + 4}, ErrorCode::kTruncated);
  EXPECT_EQ(Run(keys).error().code(), ErrorCode::kTruncated);
}

TEST_F(Load, SkipsASymbolWithoutAName) {
  KallsymsMaker maker = Typical({});
  maker.Add('t', "", kText + 0x2000000);
  ASSERT_TRUE(Run(maker.Store(memory_, kTables)));
  ASSERT_EQ(findings_.all().size(), 1u);
  EXPECT_EQ(findings_.all()[0].id, "symbols.kallsyms.empty");
}

}  // namespace
}  // namespace hmem::symbols
