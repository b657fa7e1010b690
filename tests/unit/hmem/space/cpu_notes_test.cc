// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/cpu_notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/makers/prstatus_maker.h"

namespace hmem::space {
namespace {

using ::testing::HasSubstr;

const arch::Arch& X86() { return **arch::FindArch(62, 8, Endian::kLittle); }
const arch::Arch& Ppc() { return **arch::FindArch(20, 4, Endian::kBig); }

TEST(DecodePrstatus, ReadsPidAndRegistersOfX86_64) {
  auto note = DecodePrstatus(
      X86(), makers::MakePrstatus(X86(), 4711, {{"rip", 0xffffffff81000042}, {"gs", 7}}));
  ASSERT_TRUE(note) << note.error().ToString();
  EXPECT_EQ(note->pid, 4711u);
  EXPECT_EQ(note->registers.Get(X86(), "rip"), 0xffffffff81000042);
  EXPECT_EQ(note->registers.Get(X86(), "gs"), 7u);
  EXPECT_EQ(note->registers.Get(X86(), "rax"), 0u);
}

TEST(DecodePrstatus, ReadsBigEndianWordsOfPpc32) {
  auto note = DecodePrstatus(
      Ppc(), makers::MakePrstatus(Ppc(), 17, {{"nip", 0xc0001234}, {"r31", 0xdeadbeef}}));
  ASSERT_TRUE(note) << note.error().ToString();
  EXPECT_EQ(note->pid, 17u);
  EXPECT_EQ(note->registers.Get(Ppc(), "nip"), 0xc0001234u);
  EXPECT_EQ(note->registers.Get(Ppc(), "r31"), 0xdeadbeefu);
}

TEST(DecodePrstatus, RefusesAnotherSize) {
  auto bytes = makers::MakePrstatus(X86(), 1, {});
  bytes.resize(96);
  auto note = DecodePrstatus(X86(), bytes);
  ASSERT_FALSE(note);
  EXPECT_EQ(note.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(note.error().ToString(), HasSubstr("NT_PRSTATUS: size 96, expected 336"));
}

TEST(DecodePrstatus, RefusesTheNoteOfAnotherArchitecture) {
  EXPECT_EQ(DecodePrstatus(Ppc(), makers::MakePrstatus(X86(), 1, {})).error().code(),
            ErrorCode::kCorrupt);
}

TEST(DecodeRegisters, LeavesWhatPtRegsLacksUnknown) {
  auto bytes = makers::MakeRegisters(X86(), {{"rsp", 0x1000}, {"ss", 0x18}, {"fs_base", 5}});
  bytes.resize(21 * 8);  // struct pt_regs
  auto set = DecodeRegisters(X86(), bytes);
  ASSERT_TRUE(set);
  EXPECT_EQ(set->Get(X86(), "rsp"), 0x1000u);
  EXPECT_EQ(set->Get(X86(), "ss"), 0x18u);
  EXPECT_FALSE(set->Get(X86(), "fs_base"));
}

TEST(DecodeRegisters, RefusesBytesWithoutAStackPointer) {
  auto bytes = makers::MakeRegisters(X86(), {});
  bytes.resize(152);
  auto set = DecodeRegisters(X86(), bytes);
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code(), ErrorCode::kTruncated);
}

TEST(RegisterSet, KnowsNothingWhenEmpty) {
  RegisterSet set = RegisterSet::Empty(X86());
  EXPECT_FALSE(set.Get(X86(), "rip"));
  set.Set(X86(), "rip", 3);
  EXPECT_EQ(set.Get(X86(), "rip"), 3u);
}

TEST(RegisterSet, IgnoresNamesOfOtherArchitectures) {
  RegisterSet set = RegisterSet::Empty(X86());
  set.Set(X86(), "nip", 3);
  EXPECT_FALSE(set.Get(X86(), "nip"));
}

}  // namespace
}  // namespace hmem::space
