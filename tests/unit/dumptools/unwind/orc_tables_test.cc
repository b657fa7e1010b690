// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/unwind/orc_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/orc_maker.h"

namespace hmem::unwind {
namespace {

using ::testing::HasSubstr;

constexpr VirtAddr kText{0xffffffff81000000};
constexpr VirtAddr kIps{0xffffffff82000000};
constexpr VirtAddr kEntries{0xffffffff82100000};
constexpr VirtAddr kModuleText{0xffffffffc0000000};
constexpr VirtAddr kModuleIps{0xffffffffc0010000};
constexpr VirtAddr kModuleEntries{0xffffffffc0020000};

class OrcTablesTest : public ::testing::Test {
 protected:
  OrcTables Make(int entries) {
    makers::OrcMaker orc(OrcVersion::k3);
    for (int i = 0; i < entries; ++i) {
      orc.AddCall(kText + static_cast<uint64_t>(i) * 16, static_cast<int16_t>(i));
    }
    orc.AddGap(kText + static_cast<uint64_t>(entries) * 16);
    return OrcTables(memory, OrcVersion::k3, orc.Put(memory, kIps, kEntries));
  }
  void AddSymbols(symbols::SymbolTable& symbols, uint64_t entries) {
    symbols.Add(0, "__start_orc_unwind_ip", kIps, 0, 'R');
    symbols.Add(0, "__stop_orc_unwind_ip", kIps + entries * 4, 0, 'R');
    symbols.Add(0, "__start_orc_unwind", kEntries, 0, 'R');
    symbols.Add(0, "__stop_orc_unwind", kEntries + entries * 6, 0, 'R');
  }

  fakes::FakeVirtMemory memory;
  Findings findings;
};

TEST_F(OrcTablesTest, FindsTheLastEntryAtOrBelow) {
  OrcTables tables = Make(5000);
  for (uint64_t i : {0u, 1u, 254u, 255u, 256u, 257u, 1234u, 4999u}) {
    for (uint64_t inside : {0u, 7u, 15u}) {
      Result<OrcEntry> entry = tables.Find(kText + i * 16 + inside);
      ASSERT_TRUE(entry) << entry.error().ToString();
      EXPECT_EQ(entry->sp_offset, static_cast<int16_t>(i));
    }
  }
}

TEST_F(OrcTablesTest, OfEqualAddressesTheLastEntryCounts) {
  makers::OrcMaker orc(OrcVersion::k3);
  orc.AddCall(kText, 8).AddGap(kText + 16).AddCall(kText + 16, 24).AddGap(kText + 32);
  OrcTables tables(memory, OrcVersion::k3, orc.Put(memory, kIps, kEntries));
  EXPECT_EQ(tables.Find(kText + 20)->sp_offset, 24);
}

TEST_F(OrcTablesTest, BelowTheFirstAndBehindTheLastIsNoCode) {
  OrcTables tables = Make(10);
  EXPECT_EQ(tables.Find(kText - 1).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(tables.Find(kText + 160).error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(tables.IsCode(kText + 160));
  EXPECT_TRUE(tables.IsCode(kText + 159));
}

TEST_F(OrcTablesTest, SortedModuleTable) {
  OrcTables tables = Make(10);
  makers::OrcMaker orc(OrcVersion::k3);
  orc.AddCall(kModuleText, 100).AddCall(kModuleText + 32, 200);
  OrcTable table = orc.Put(memory, kModuleIps, kModuleEntries);
  table.name = "ext4";
  table.code = {{kModuleText, kModuleText + 0x1000}};
  tables.AddModule(table);
  EXPECT_EQ(tables.Find(kModuleText + 40)->sp_offset, 200);
  EXPECT_EQ(tables.Find(kModuleText + 31)->sp_offset, 100);
  EXPECT_EQ(tables.Find(kText)->sp_offset, 0);
}

TEST_F(OrcTablesTest, UnsortedModuleTableIsIndexedGapsFirst) {
  OrcTables tables = Make(10);
  makers::OrcMaker orc(OrcVersion::k3);
  for (int i = 999; i >= 0; --i) {
    orc.AddCall(kModuleText + static_cast<uint64_t>(i) * 4, static_cast<int16_t>(i));
  }
  orc.AddGap(kModuleText + 400);
  OrcTable table = orc.Put(memory, kModuleIps, kModuleEntries);
  table.code = {{kModuleText, kModuleText + 0x10000}};
  tables.AddModule(table);
  for (uint64_t i : {0u, 1u, 100u, 255u, 256u, 999u}) {
    ASSERT_EQ(tables.Find(kModuleText + i * 4 + 3)->sp_offset, static_cast<int16_t>(i));
  }
}

TEST_F(OrcTablesTest, ModuleWithoutTableIsNoKnownCode) {
  OrcTables tables = Make(10);
  tables.AddModule({.name = "odd",
                    .ip_table = {},
                    .entry_table = {},
                    .count = 0,
                    .code = {{kModuleText, kModuleText + 0x1000}}});
  Result<OrcEntry> entry = tables.Find(kModuleText);
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(entry.error().ToString(), HasSubstr("odd"));
}

TEST_F(OrcTablesTest, UnreadableTableIsNotTakenForNoCode) {
  OrcTables tables = Make(5000);
  memory.Fail({kIps, kIps + 20000}, ErrorCode::kExcluded);
  Result<OrcEntry> entry = tables.Find(kText + 100);
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code(), ErrorCode::kExcluded);
  EXPECT_THAT(entry.error().ToString(), HasSubstr("ORC of kernel"));
}

TEST_F(OrcTablesTest, CreateBelievesTheHeader) {
  Make(10);
  symbols::SymbolTable symbols;
  AddSymbols(symbols, 11);
  symbols.Add(0, "__start_orc_header", VirtAddr(0xffffffff82300000), 0, 'R');
  symbols.Seal();
  memory.AddZero({VirtAddr(0xffffffff82300000), VirtAddr(0xffffffff82300014)});
  memory.PutU32(VirtAddr(0xffffffff82300000), 0xbf325dfe);
  Result<OrcTables> tables = OrcTables::Create(memory, symbols, findings);
  ASSERT_TRUE(tables) << tables.error().ToString();
  EXPECT_EQ(tables->version(), OrcVersion::k3);
}

TEST_F(OrcTablesTest, CreateProbesWithoutHeader) {
  makers::OrcMaker orc(OrcVersion::k1);
  orc.AddEnd(kText);
  for (uint64_t i = 1; i < 100; ++i) orc.AddCall(kText + i * 8, 8);
  orc.Put(memory, kIps, kEntries);
  symbols::SymbolTable symbols;
  AddSymbols(symbols, 100);
  symbols.Seal();
  Result<OrcTables> tables = OrcTables::Create(memory, symbols, findings);
  ASSERT_TRUE(tables) << tables.error().ToString();
  EXPECT_EQ(tables->version(), OrcVersion::k1);
}

// The first pages of the entries are not in the dump, and nothing but entries tells the layout.
TEST_F(OrcTablesTest, CreateProbesWhereEntriesAreThere) {
  for (OrcVersion version : {OrcVersion::k1, OrcVersion::k2, OrcVersion::k3, OrcVersion::k4}) {
    fakes::FakeVirtMemory holed;
    makers::OrcMaker orc(version);
    for (uint64_t i = 0; i < 20000; ++i) {
      if (i % 10 == 0) {
        orc.Add(kText + i * 8, {.sp_base = OrcBase::kSp, .type = OrcType::kRegs, .signal = true});
      } else {
        orc.AddCall(kText + i * 8, 8);
      }
    }
    orc.Put(holed, kIps, kEntries);
    holed.Fail({kEntries, kEntries + 0x8000}, ErrorCode::kExcluded);
    symbols::SymbolTable symbols;
    AddSymbols(symbols, 20000);
    symbols.Seal();
    Result<OrcTables> tables = OrcTables::Create(holed, symbols, findings);
    ASSERT_TRUE(tables) << tables.error().ToString();
    EXPECT_EQ(tables->version(), version);
  }
}

TEST_F(OrcTablesTest, CreateKeepsTheCodeOfMissingEntries) {
  Make(5000);
  memory.Fail({kEntries, kEntries + 5001 * 6}, ErrorCode::kExcluded);
  symbols::SymbolTable symbols;
  AddSymbols(symbols, 5001);
  symbols.Seal();
  Result<OrcTables> tables = OrcTables::Create(memory, symbols, findings);
  ASSERT_FALSE(tables);
  EXPECT_EQ(tables.error().code(), ErrorCode::kExcluded);
}

TEST_F(OrcTablesTest, CreateWithoutSymbolsNamesTheFirstMissing) {
  symbols::SymbolTable symbols;
  symbols.Seal();
  Result<OrcTables> tables = OrcTables::Create(memory, symbols, findings);
  ASSERT_FALSE(tables);
  EXPECT_EQ(tables.error().code(), ErrorCode::kMissingDebugInfo);
  EXPECT_THAT(tables.error().ToString(), HasSubstr("__start_orc_unwind_ip"));
}

TEST_F(OrcTablesTest, CreateRefusesTablesThatDoNotMatch) {
  symbols::SymbolTable symbols;
  symbols.Add(0, "__start_orc_unwind_ip", kIps, 0, 'R');
  symbols.Add(0, "__stop_orc_unwind_ip", kIps + 400, 0, 'R');
  symbols.Add(0, "__start_orc_unwind", kEntries, 0, 'R');
  symbols.Add(0, "__stop_orc_unwind", kEntries + 606, 0, 'R');
  symbols.Seal();
  Result<OrcTables> tables = OrcTables::Create(memory, symbols, findings);
  ASSERT_FALSE(tables);
  EXPECT_EQ(tables.error().code(), ErrorCode::kCorrupt);
}

TEST_F(OrcTablesTest, CreateRefusesALayoutItDoesNotKnow) {
  memory.AddZero({kEntries, kEntries + 6000});
  symbols::SymbolTable symbols;
  AddSymbols(symbols, 1000);
  symbols.Seal();
  Result<OrcTables> tables = OrcTables::Create(memory, symbols, findings);
  ASSERT_FALSE(tables);
  EXPECT_EQ(tables.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::unwind
