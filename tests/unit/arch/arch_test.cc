// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/arch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hmem::arch {
namespace {

using ::testing::HasSubstr;

constexpr uint16_t kEmX86_64 = 62;
constexpr uint16_t kEmPpc = 20;

TEST(AllArchs, AreSortedByNameWithoutDuplicates) {
  std::string_view previous;
  for (const Arch* arch : AllArchs()) {
    EXPECT_LT(previous, arch->name);
    previous = arch->name;
  }
  EXPECT_GE(AllArchs().size(), 2u);
}

TEST(AllArchs, KeepEveryRegisterInsidePrReg) {
  for (const Arch* arch : AllArchs()) {
    SCOPED_TRACE(arch->name);
    EXPECT_LE(arch->prstatus.regs_offset + arch->prstatus.regs_size, arch->prstatus.size);
    EXPECT_LE(arch->prstatus.pid_offset + 4, arch->prstatus.regs_offset);
    std::set<std::string_view> names;
    std::set<uint32_t> offsets;
    for (const Register& r : arch->registers) {
      EXPECT_LE(r.offset + r.size, arch->prstatus.regs_size) << r.name;
      EXPECT_TRUE(names.insert(r.name).second) << r.name;
      EXPECT_TRUE(offsets.insert(r.offset).second) << r.name;
    }
  }
}

TEST(AllArchs, NameTheirProgramCounterAndStackPointer) {
  for (const Arch* arch : AllArchs()) {
    SCOPED_TRACE(arch->name);
    EXPECT_NE(arch->FindRegister(arch->pc_register), nullptr);
    EXPECT_NE(arch->FindRegister(arch->sp_register), nullptr);
    if (!arch->fp_register.empty()) {
      EXPECT_NE(arch->FindRegister(arch->fp_register), nullptr);
    }
    if (arch->stack_rules == nullptr) continue;
    for (const auto& saved : arch->stack_rules->switch_frame_registers) {
      EXPECT_NE(arch->FindRegister(saved.register_name), nullptr) << saved.register_name;
    }
  }
}

TEST(FindArch, KnowsX86_64) {
  auto arch = FindArch(kEmX86_64, 8, Endian::kLittle);
  ASSERT_TRUE(arch);
  EXPECT_EQ((*arch)->name, "x86_64");
  EXPECT_EQ((*arch)->FindRegister("rip")->offset, 128u);
  EXPECT_EQ((*arch)->prstatus.size, 336u);
}

TEST(FindArch, KnowsBigEndianPpc32) {
  auto arch = FindArch(kEmPpc, 4, Endian::kBig);
  ASSERT_TRUE(arch);
  EXPECT_EQ((*arch)->name, "ppc32");
  EXPECT_EQ((*arch)->FindRegister("nip")->offset, 128u);
  EXPECT_EQ((*arch)->prstatus.size, 268u);
}

TEST(FindArch, NamesMachineClassAndByteOrderOfTheUnknown) {
  auto arch = FindArch(183, 8, Endian::kLittle);
  ASSERT_FALSE(arch);
  EXPECT_EQ(arch.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(arch.error().ToString(), HasSubstr("ELF machine 183, 64-bit, little-endian"));
  EXPECT_THAT(arch.error().ToString(), HasSubstr("ppc32, x86_64"));
}

TEST(FindArch, RejectsTheRightMachineInTheWrongByteOrder) {
  EXPECT_EQ(FindArch(kEmPpc, 4, Endian::kLittle).error().code(), ErrorCode::kUnsupported);
}

TEST(FindArch, RejectsTheRightMachineInTheWrongClass) {
  EXPECT_EQ(FindArch(kEmX86_64, 4, Endian::kLittle).error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::arch
