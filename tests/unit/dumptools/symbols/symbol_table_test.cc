// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/symbols/symbol_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace hmem::symbols {
namespace {

constexpr uint64_t kText = 0xffffffff81000000;

std::string Name(const std::optional<Located>& located) {
  return located ? std::string(located->symbol.name) : "";
}

TEST(SymbolTable, LocatesInsideAFunction) {
  SymbolTable table;
  table.Add(0, "next", VirtAddr(kText + 0x100), 0, 'T');
  table.Add(0, "here", VirtAddr(kText), 0, 't');
  table.Seal();
  auto located = table.Locate(VirtAddr(kText + 0xff));
  ASSERT_TRUE(located);
  EXPECT_EQ(located->symbol.name, "here");
  EXPECT_EQ(located->symbol.kind, 't');
  EXPECT_EQ(located->symbol.size_bytes, 0x100u);
  EXPECT_EQ(located->offset, 0xffu);
  EXPECT_EQ(Name(table.Locate(VirtAddr(kText + 0x100))), "next");
}

TEST(SymbolTable, LocatesNothingBelowTheFirstSymbol) {
  SymbolTable table;
  table.Add(0, "here", VirtAddr(kText), 0, 'T');
  table.Seal();
  EXPECT_FALSE(table.Locate(VirtAddr(kText - 1)));
}

TEST(SymbolTable, LocatesNothingBehindAGivenSize) {
  SymbolTable table;
  table.Add(0, "here", VirtAddr(kText), 0x10, 'T');
  table.Add(0, "next", VirtAddr(kText + 0x100), 0, 'T');
  table.Seal();
  EXPECT_TRUE(table.Locate(VirtAddr(kText + 0xf)));
  EXPECT_FALSE(table.Locate(VirtAddr(kText + 0x10)));
}

TEST(SymbolTable, CapsTheSizeOfTheLastSymbol) {
  SymbolTable table;
  table.Add(0, "last", VirtAddr(kText), 0, 'T');
  table.Seal();
  EXPECT_TRUE(table.Locate(VirtAddr(kText + 0xffff)));
  EXPECT_FALSE(table.Locate(VirtAddr(kText + 0x10000)));
}

TEST(SymbolTable, LocatesTheFirstOfSeveralNamesAsTheKernelDoes) {
  SymbolTable table;
  table.Add(0, "__x64_sys_read", VirtAddr(kText), 0, 't');
  table.Add(0, "__ia32_sys_read", VirtAddr(kText), 0, 'T');
  table.Seal();
  EXPECT_EQ(Name(table.Locate(VirtAddr(kText + 4))), "__x64_sys_read");
}

TEST(SymbolTable, PrefersAnyNameToAMarker) {
  for (std::string_view marker : {"__pfx_read", "$x", ".Ltmp4"}) {
    SymbolTable table;
    table.Add(0, marker, VirtAddr(kText), 0, 't');
    table.Add(0, "read", VirtAddr(kText), 0, 't');
    table.Seal();
    EXPECT_EQ(Name(table.Locate(VirtAddr(kText))), "read");
  }
}

TEST(SymbolTable, NeverLocatesAbsoluteSymbols) {
  SymbolTable table;
  table.Add(0, "runqueues", VirtAddr(0x31980), 0, 'A');
  table.Add(0, "local_number", VirtAddr(kText + 0x20), 0, 'a');
  table.Add(0, "here", VirtAddr(kText), 0, 'T');
  table.Seal();
  EXPECT_FALSE(table.Locate(VirtAddr(0x31984)));
  EXPECT_EQ(Name(table.Locate(VirtAddr(kText + 0x28))), "here");
  ASSERT_TRUE(table.Find("runqueues"));
  EXPECT_EQ(table.Find("runqueues")->address, VirtAddr(0x31980));
}

TEST(SymbolTable, FindsTheFirstByAddress) {
  SymbolTable table;
  table.Add(0, "show", VirtAddr(kText + 0x200), 0, 't');
  table.Add(0, "show", VirtAddr(kText + 0x100), 0, 't');
  table.Seal();
  EXPECT_EQ(table.Find("show")->address, VirtAddr(kText + 0x100));
  auto all = table.FindAll("show");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].address, VirtAddr(kText + 0x200));
  EXPECT_FALSE(table.Find("shown"));
  EXPECT_TRUE(table.FindAll("sho").empty());
}

TEST(SymbolTable, FindsInOneModuleAlone) {
  SymbolTable table;
  table.Add(0, "init", VirtAddr(kText), 0, 't');
  uint32_t module = table.AddModule("loop", {});
  table.Add(module, "init", VirtAddr(0xffffffffc0000000), 0x20, 't');
  table.Seal();
  EXPECT_EQ(table.Find("init")->module, "");
  EXPECT_EQ(table.Find("init", "")->address, VirtAddr(kText));
  EXPECT_EQ(table.Find("init", "loop")->address, VirtAddr(0xffffffffc0000000));
  EXPECT_EQ(table.Find("init", "loop")->module, "loop");
  EXPECT_FALSE(table.Find("init", "ext4"));
}

TEST(SymbolTable, FindsTheFirstByAddressOfTwoModulesOfOneName) {
  SymbolTable table;
  for (uint64_t at : {0xffffffffc0001000, 0xffffffffc0000000}) {
    table.Add(table.AddModule("loop", {}), "init", VirtAddr(at), 0x20, 't');
  }
  table.Add(0, "init", VirtAddr(kText), 0, 't');
  table.Add(0, "init", VirtAddr(0xffffffffd0000000), 0, 't');
  table.Seal();
  EXPECT_EQ(table.Find("init", "loop")->address, VirtAddr(0xffffffffc0000000));
  EXPECT_EQ(table.Find("init", "")->address, VirtAddr(kText));
  auto all = table.FindAll("init");
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[1].address, VirtAddr(0xffffffffc0000000));
  EXPECT_EQ(all[3].address, VirtAddr(0xffffffffd0000000));
}

// With an index whose insertions step over equal names this takes 5 * 10^11 steps.
TEST(SymbolTable, SealsAMillionSymbolsOfOneName) {
  constexpr uint64_t kSymbols = 1 << 20;
  SymbolTable table;
  for (uint64_t i = 0; i < kSymbols; ++i) table.Add(0, "same", VirtAddr(kText + i), 0, 't');
  table.Add(0, "other", VirtAddr(kText + kSymbols), 0, 't');
  table.Seal();
  EXPECT_EQ(table.Find("same")->address, VirtAddr(kText));
  EXPECT_EQ(table.Find("same", "")->address, VirtAddr(kText));
  EXPECT_EQ(table.FindAll("same").size(), kSymbols);
  EXPECT_EQ(table.Find("other")->address, VirtAddr(kText + kSymbols));
}

TEST(SymbolTable, KeepsSymbolsInsideTheTextOfTheirModule) {
  SymbolTable table;
  const VirtAddr text(0xffffffffc0000000);
  uint32_t module = table.AddModule("loop", {{text, text + 0x100}});
  table.Add(module, "last", text + 0x80, 0, 't');
  table.Add(module, "data", text + 0x4000, 0, 'd');
  table.Seal();
  EXPECT_EQ(Name(table.Locate(text + 0xff)), "last");
  EXPECT_FALSE(table.Locate(text + 0x100));
  EXPECT_EQ(Name(table.Locate(text + 0x4010)), "data");
}

TEST(SymbolTable, TakesMoreAfterASeal) {
  SymbolTable table;
  table.Add(0, "a", VirtAddr(kText), 0, 'T');
  table.Seal();
  EXPECT_EQ(table.Find("a")->size_bytes, 0x10000u);
  table.Add(0, "b", VirtAddr(kText + 0x40), 0, 'T');
  table.Seal();
  EXPECT_EQ(table.Find("a")->size_bytes, 0x40u);
  EXPECT_EQ(Name(table.Locate(VirtAddr(kText + 0x41))), "b");
}

TEST(SymbolTable, ListsInAddressOrder) {
  SymbolTable table;
  table.Add(0, "c", VirtAddr(kText + 2), 0, 'T');
  table.Add(0, "b", VirtAddr(kText + 1), 0, 'T');
  table.Add(0, "a", VirtAddr(kText + 9), 0, 'A');
  table.Seal();
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table.At(0).name, "a");
  EXPECT_EQ(table.At(1).name, "b");
  EXPECT_EQ(table.At(2).name, "c");
}

TEST(SymbolTable, AnswersNothingBeforeItHasSymbols) {
  SymbolTable table;
  EXPECT_FALSE(table.Find("a"));
  EXPECT_FALSE(table.Locate(VirtAddr(kText)));
  table.Seal();
  EXPECT_FALSE(table.Find("a"));
  EXPECT_FALSE(table.Locate(VirtAddr(kText)));
}

TEST(SymbolTable, DropsSymbolsOfModulesThatWereNotAdded) {
  SymbolTable table;
  table.Add(7, "stray", VirtAddr(kText), 0, 'T');
  EXPECT_EQ(table.size(), 0u);
}

// One buffer for all names, as the store of kallsyms has it.
class MadeStore final : public NameStore {
 public:
  std::string_view NameAt(uint32_t place) const override {
    buffer_ = names.at(place);
    return buffer_;
  }
  static inline const std::vector<std::string> names = {"first", "second", "third", "second"};

 private:
  mutable std::string buffer_;
};

SymbolTable StoredTable() {
  SymbolTable table;
  table.SetStore(std::make_unique<MadeStore>());
  for (uint32_t i = 0; i < MadeStore::names.size(); ++i)
    table.AddStored(i, MadeStore::names[i], VirtAddr(kText + i * 0x10), 't');
  table.Seal();
  return table;
}

TEST(SymbolTableWithStore, FindsAndLocatesByNamesItDoesNotHold) {
  SymbolTable table = StoredTable();
  EXPECT_EQ(table.Find("third")->address, VirtAddr(kText + 0x20));
  EXPECT_FALSE(table.Find("fourth"));
  EXPECT_EQ(Name(table.Locate(VirtAddr(kText + 0x15))), "second");
  EXPECT_EQ(table.FindAll("second").size(), 2u);
  EXPECT_EQ(table.At(3).name, "second");
}

TEST(SymbolTableWithStore, ANameStaysWhenOthersAreAskedFor) {
  SymbolTable table = StoredTable();
  Symbol first = *table.Find("first");
  for (size_t i = 0; i < table.size(); ++i) (void)table.At(i);
  EXPECT_EQ(first.name, "first");
  SymbolTable moved = std::move(table);
  EXPECT_EQ(first.name, "first");
  EXPECT_EQ(moved.Find("third")->name, "third");
}

TEST(SymbolTableWithStore, TakesModulesBesideIt) {
  SymbolTable table = StoredTable();
  uint32_t module = table.AddModule("quartz", {});
  table.Add(module, "second", VirtAddr(kText + 0x1000), 0x10, 't');
  table.Add(module, std::string_view("cut\0behind", 10), VirtAddr(kText + 0x2000), 0x10, 't');
  table.Seal();
  EXPECT_EQ(table.FindAll("second").size(), 3u);
  EXPECT_EQ(table.Find("second", "quartz")->address, VirtAddr(kText + 0x1000));
  EXPECT_EQ(table.Find("second")->module, "");
  EXPECT_EQ(Name(table.Locate(VirtAddr(kText + 0x2001))), "cut");
}

TEST(SymbolTableWithStore, OfSymbolsAtOneAddressTheKernelsComesFirst) {
  SymbolTable table = StoredTable();
  uint32_t module = table.AddModule("quartz", {});
  table.Add(module, "alias", VirtAddr(kText + 0x10), 0x10, 't');
  table.Seal();
  EXPECT_EQ(Name(table.Locate(VirtAddr(kText + 0x10))), "second");
}

}  // namespace
}  // namespace hmem::symbols
