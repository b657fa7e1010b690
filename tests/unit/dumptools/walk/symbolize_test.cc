// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/symbolize.h"

#include <gtest/gtest.h>

namespace hmem::walk {
namespace {

class Symbolize : public ::testing::Test {
 protected:
  Symbolize() {
    symbols.Add(0, "do_exit", VirtAddr(0xffffffff81000000), 0x100, 'T');
    symbols.Add(0, "do_group_exit", VirtAddr(0xffffffff81000100), 0x80, 'T');
    uint32_t module =
        symbols.AddModule("ext4", {{VirtAddr(0xffffffffc0000000), VirtAddr(0xffffffffc0001000)}});
    symbols.Add(module, "ext4_read", VirtAddr(0xffffffffc0000010), 0x20, 't');
    symbols.Seal();
  }
  symbols::SymbolTable symbols;
};

// A call that does not return is the last instruction of its function.
TEST_F(Symbolize, ReturnAddressBelongsToTheCallBeforeIt) {
  auto located = LocateFrame(symbols, {.pc = VirtAddr(0xffffffff81000100)});
  ASSERT_TRUE(located);
  EXPECT_EQ(located->symbol.name, "do_exit");
  EXPECT_EQ(located->offset, 0x100u);
}

TEST_F(Symbolize, ExactAddressIsWhereItIs) {
  auto located = LocateFrame(symbols, {.pc = VirtAddr(0xffffffff81000100), .exact = true});
  ASSERT_TRUE(located);
  EXPECT_EQ(located->symbol.name, "do_group_exit");
  EXPECT_EQ(located->offset, 0u);
}

TEST_F(Symbolize, TheModuleIsNamed) {
  auto located = LocateFrame(symbols, {.pc = VirtAddr(0xffffffffc0000018)});
  ASSERT_TRUE(located);
  EXPECT_EQ(located->symbol.module, "ext4");
}

TEST_F(Symbolize, AnAddressThatNoSymbolCoversIsNotLocated) {
  EXPECT_FALSE(LocateFrame(symbols, {.pc = VirtAddr(0x1234)}));
  EXPECT_FALSE(LocateFrame(symbols, {.pc = VirtAddr(0)}));
}

}  // namespace
}  // namespace hmem::walk
