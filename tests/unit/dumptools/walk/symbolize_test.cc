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
  unwind::Frame frame{.pc = VirtAddr(0xffffffff81000100)};
  EXPECT_EQ(FrameText(symbols, frame), "do_exit+0x100/0x100");
}

TEST_F(Symbolize, ExactAddressIsWhereItIs) {
  unwind::Frame frame{.pc = VirtAddr(0xffffffff81000100), .exact = true};
  EXPECT_EQ(FrameText(symbols, frame), "do_group_exit+0x0/0x80");
}

TEST_F(Symbolize, ModuleInBracketsAndGuessMarked) {
  unwind::Frame frame{.pc = VirtAddr(0xffffffffc0000018), .reliable = false};
  EXPECT_EQ(FrameText(symbols, frame), "? ext4_read+0x8/0x20 [ext4]");
}

TEST_F(Symbolize, AddressWithoutSymbolIsANumber) {
  unwind::Frame frame{.pc = VirtAddr(0x1234)};
  EXPECT_FALSE(LocateFrame(symbols, frame));
  EXPECT_EQ(FrameText(symbols, frame), "0x1234");
}

}  // namespace
}  // namespace hmem::walk
