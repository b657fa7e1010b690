// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/unwind/orc_unwinder.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

#include "arch/arch.h"
#include "tests/fakes/fake_memory.h"
#include "tests/makers/orc_maker.h"
#include "tests/makers/prstatus_maker.h"

namespace hmem::unwind {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr VirtAddr kText{0xffffffff81000000};
constexpr VirtAddr kIps{0xffffffff82000000};
constexpr VirtAddr kEntries{0xffffffff82100000};
constexpr VirtAddr kTaskStack{0xffffc90000010000};  // 16 KiB, aligned
constexpr VirtAddr kIrqStack{0xffffc90000004000};
constexpr VirtAddr kNmiStack{0xfffffe0000008000};
constexpr VirtAddr kBpf{0xffffffffc1234000};
constexpr uint64_t kUserCs = 0x33, kKernelCs = 0x10;

// One function every 256 bytes; a call in it ends at +0x20.
VirtAddr Function(uint64_t n) { return kText + n * 0x100; }
VirtAddr Return(uint64_t n) { return Function(n) + 0x20; }

class OrcUnwinderTest : public ::testing::TestWithParam<OrcVersion> {
 protected:
  OrcUnwinderTest() : orc(GetParam()) {
    memory.AddZero({kTaskStack, kTaskStack + 0x4000});
    memory.AddZero({kIrqStack, kIrqStack + 0x4000});
    memory.AddZero({kNmiStack, kNmiStack + 0x2000});
    memory.AddZero({kText, kText + 0x4000});
  }

  // A direct call at the usual place of function `from`, to function `to`.
  void Call(uint64_t from, uint64_t to) {
    memory.PutU8(Return(from) - 5, 0xe8);
    memory.PutU32(Return(from) - 4, static_cast<uint32_t>(Function(to) - Return(from)));
  }
  void CallIndirect(uint64_t from) {
    memory.PutU8(Return(from) - 2, 0xff);
    memory.PutU8(Return(from) - 1, 0xd0);  // call *%rax
  }
  OrcEntry Regs(int16_t sp_offset = 0) {
    return {
        .sp_offset = sp_offset, .sp_base = OrcBase::kSp, .type = OrcType::kRegs, .signal = true};
  }
  void PutRegisters(VirtAddr at, const makers::RegisterValues& values) {
    std::vector<std::byte> bytes = makers::MakeRegisters(arch(), values);
    memory.Write(at, std::span(bytes).first(168));
  }
  static const arch::Arch& arch() {
    static const arch::Arch& found = **arch::FindArch(EM_X86_64, 8, Endian::kLittle);
    return found;
  }
  Start At(VirtAddr pc, VirtAddr sp, bool exact = true, uint64_t bp = 0) {
    Start start{.registers = space::RegisterSet::Empty(arch()), .exact = exact};
    start.registers.Set(arch(), "rip", pc.value);
    start.registers.Set(arch(), "rsp", sp.value);
    start.registers.Set(arch(), "rbp", bp);
    return start;
  }
  Stack Unwind(const Start& start, const Limits& limits = {}) {
    if (!unwinder) {
      orc.AddGap(kText + 0x4000);
      symbols.Seal();
      auto created = OrcUnwinder::Create(
          arch(), memory, symbols, OrcTables(memory, GetParam(), orc.Put(memory, kIps, kEntries)));
      EXPECT_TRUE(created);
      unwinder = *std::move(created);
    }
    return unwinder->Unwind(start, limits);
  }
  static std::vector<uint64_t> Pcs(const Stack& stack) {
    std::vector<uint64_t> pcs;
    for (const Frame& frame : stack.frames) pcs.push_back(frame.pc.value);
    return pcs;
  }

  fakes::FakeVirtMemory memory;
  symbols::SymbolTable symbols;
  makers::OrcMaker orc;
  std::unique_ptr<OrcUnwinder> unwinder;
};

INSTANTIATE_TEST_SUITE_P(EveryVersion, OrcUnwinderTest,
                         ::testing::Values(OrcVersion::k1, OrcVersion::k2, OrcVersion::k3,
                                           OrcVersion::k4),
                         [](const auto& version) {
                           return "V" + std::to_string(static_cast<int>(version.param));
                         });

TEST_P(OrcUnwinderTest, CallsUpToTheEndOfTheStack) {
  orc.AddCall(Function(0), 8).AddCall(Function(1), 24).AddEnd(Function(2));
  memory.PutU64(kTaskStack + 0x100, Return(1).value);
  memory.PutU64(kTaskStack + 0x118, Return(2).value);
  Stack stack = Unwind(At(Function(0) + 4, kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack), ElementsAre((Function(0) + 4).value, Return(1).value, Return(2).value));
  EXPECT_TRUE(stack.frames[0].exact);
  EXPECT_FALSE(stack.frames[1].exact);
  EXPECT_EQ(stack.frames[1].sp, kTaskStack + 0x108);
  EXPECT_THAT(stack.end_reason, IsEmpty());
  EXPECT_FALSE(stack.ends_in_user);
}

// Behind a call that does not return another function may begin.
TEST_P(OrcUnwinderTest, ReturnAddressIsLookedUpOneByteBefore) {
  orc.AddCall(Function(0), 8)
      .AddCall(Function(1), 16)
      .AddEnd(Function(2))
      .AddCall(Function(3), 999);
  memory.PutU64(kTaskStack + 0x100, Function(2).value);
  memory.PutU64(kTaskStack + 0x110, Function(3).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Function(2).value, Function(3).value));
  EXPECT_THAT(stack.end_reason, IsEmpty());
}

// The entry one byte before the trampoline is another function's.
TEST_P(OrcUnwinderTest, ReplacedReturnAddressEndsWithItsName) {
  orc.AddCall(Function(0), 8).AddCall(Function(1), 8).AddCall(Function(2), 8).AddEnd(Function(3));
  symbols.Add(0, "before", Function(1), 0, 't');
  symbols.Add(0, "arch_rethook_trampoline", Function(2), 0, 'T');
  symbols.Add(0, "behind", Function(3), 0, 't');
  memory.PutU64(kTaskStack + 0x100, Function(2).value);
  memory.PutU64(kTaskStack + 0x108, Return(3).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Function(2).value));
  EXPECT_TRUE(stack.frames[1].exact);
  EXPECT_THAT(stack.end_reason, HasSubstr("arch_rethook_trampoline"));
}

// A probe's handler runs in the trampoline, whose own frames are like any other.
TEST_P(OrcUnwinderTest, TrampolineThatIsRunningIsLeftAsUsual) {
  orc.AddCall(Function(0), 8).AddCall(Function(2), 8).AddEnd(Function(3));
  symbols.Add(0, "arch_rethook_trampoline", Function(2), 0, 'T');
  symbols.Add(0, "behind", Function(3), 0, 't');
  memory.PutU64(kTaskStack + 0x100, Return(2).value);
  memory.PutU64(kTaskStack + 0x108, Return(3).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Return(2).value, Return(3).value));
  EXPECT_THAT(stack.end_reason, IsEmpty());
}

TEST_P(OrcUnwinderTest, StartAtAReturnAddress) {
  orc.AddCall(Function(0), 8).AddEnd(Function(1));
  memory.PutU64(kTaskStack + 0x100, Return(1).value);
  Stack stack = Unwind(At(Function(1), kTaskStack + 0x100, false));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(1).value, Return(1).value));
  EXPECT_FALSE(stack.frames[0].exact);
}

TEST_P(OrcUnwinderTest, FramePointerFramesAndSavedFramePointers) {
  orc.Add(Function(0), {.sp_offset = 16,
                        .bp_offset = -16,
                        .sp_base = OrcBase::kBp,
                        .bp_base = OrcBase::kPreviousSp,
                        .type = OrcType::kCall});
  orc.Add(Function(1), {.sp_offset = 16,
                        .bp_offset = -16,
                        .sp_base = OrcBase::kBp,
                        .bp_base = OrcBase::kPreviousSp,
                        .type = OrcType::kCall});
  orc.AddEnd(Function(2));
  memory.PutU64(kTaskStack + 0x200, (kTaskStack + 0x300).value);
  memory.PutU64(kTaskStack + 0x208, Return(1).value);
  memory.PutU64(kTaskStack + 0x300, 0);
  memory.PutU64(kTaskStack + 0x308, Return(2).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x180, true, (kTaskStack + 0x200).value));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Return(1).value, Return(2).value));
}

TEST_P(OrcUnwinderTest, InterruptedFrameIsExactAndMarked) {
  orc.AddCall(Function(0), 8).Add(Function(1), Regs()).AddCall(Function(2), 8).AddEnd(Function(3));
  memory.PutU64(kTaskStack + 0x100, Return(1).value);
  PutRegisters(
      kTaskStack + 0x108,
      {{"rip", Function(2).value}, {"cs", kKernelCs}, {"rsp", (kTaskStack + 0x400).value}});
  memory.PutU64(kTaskStack + 0x400, Return(3).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack),
              ElementsAre(Function(0).value, Return(1).value, Function(2).value, Return(3).value));
  EXPECT_TRUE(stack.frames[2].exact);
  EXPECT_TRUE(stack.frames[2].interrupted);
  EXPECT_FALSE(stack.frames[3].interrupted);
  EXPECT_EQ(stack.frames[2].sp, kTaskStack + 0x400);
}

TEST_P(OrcUnwinderTest, SystemCallEndsInUserModeWithItsRegisters) {
  orc.AddCall(Function(0), 8).Add(Function(1), Regs());
  memory.PutU64(kTaskStack + 0x100, Return(1).value);
  PutRegisters(kTaskStack + 0x108,
               {{"rip", 0x401000}, {"cs", kUserCs}, {"rsp", 0x7ffc00001000}, {"rax", 1}});
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_EQ(stack.frames.size(), 2u);
  EXPECT_TRUE(stack.ends_in_user);
  EXPECT_THAT(stack.end_reason, IsEmpty());
  ASSERT_TRUE(stack.user_registers);
  EXPECT_EQ(stack.user_registers->Get(arch(), "rip"), 0x401000u);
}

TEST_P(OrcUnwinderTest, CpuInUserModeHasNoKernelFrames) {
  orc.AddEnd(Function(0));
  Start start = At(VirtAddr(0x401000), VirtAddr(0x7ffc00001000));
  start.registers.Set(arch(), "cs", kUserCs);
  Stack stack = Unwind(start);
  EXPECT_THAT(stack.frames, IsEmpty());
  EXPECT_TRUE(stack.ends_in_user);
}

TEST_P(OrcUnwinderTest, PartialRegistersKeepWhatTheCpuDidNotPush) {
  orc.Add(Function(0), {.sp_base = OrcBase::kSp, .type = OrcType::kRegsPartial, .signal = true});
  orc.Add(Function(1), {.sp_base = OrcBase::kR10, .type = OrcType::kCall});
  orc.AddEnd(Function(2));
  memory.PutU64(kTaskStack + 0x100, Function(1).value);
  memory.PutU64(kTaskStack + 0x108, kKernelCs);
  memory.PutU64(kTaskStack + 0x118, (kTaskStack + 0x200).value);
  memory.PutU64(kTaskStack + 0x2f8, Return(2).value);
  Start start = At(Function(0), kTaskStack + 0x100);
  start.registers.Set(arch(), "r10", (kTaskStack + 0x300).value);
  Stack stack = Unwind(start);
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Function(1).value, Return(2).value));
  EXPECT_TRUE(stack.frames[1].interrupted);
}

TEST_P(OrcUnwinderTest, RegisterThatACallLostEndsWithItsName) {
  orc.AddCall(Function(0), 8);
  orc.Add(Function(1), {.sp_base = OrcBase::kR13, .type = OrcType::kCall});
  memory.PutU64(kTaskStack + 0x100, Return(1).value);
  Start start = At(Function(0), kTaskStack + 0x100);
  start.registers.Set(arch(), "r13", (kTaskStack + 0x300).value);
  Stack stack = Unwind(start);
  EXPECT_EQ(stack.frames.size(), 2u);
  EXPECT_THAT(stack.end_reason, HasSubstr("r13"));
}

TEST_P(OrcUnwinderTest, SavedStackPointerLeadsToAnotherStack) {
  orc.AddCall(Function(0), 8);
  orc.Add(Function(1), {.sp_offset = 8, .sp_base = OrcBase::kSpIndirect, .type = OrcType::kCall});
  orc.AddEnd(Function(2));
  memory.PutU64(kIrqStack + 0x3f00, Return(1).value);
  memory.PutU64(kIrqStack + 0x3f08, (kTaskStack + 0x800).value);
  memory.PutU64(kTaskStack + 0x800, Return(2).value);
  Stack stack = Unwind(At(Function(0), kIrqStack + 0x3f00));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Return(1).value, Return(2).value));
  EXPECT_EQ(stack.frames[2].sp, kTaskStack + 0x808);
}

TEST_P(OrcUnwinderTest, StackPointerSavedAtTheFramePointer) {
  orc.Add(Function(0), {.sp_offset = -16, .sp_base = OrcBase::kBpIndirect, .type = OrcType::kCall});
  orc.AddEnd(Function(1));
  memory.PutU64(kTaskStack + 0x1f0, (kTaskStack + 0x300).value);
  memory.PutU64(kTaskStack + 0x2f8, Return(1).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100, true, (kTaskStack + 0x200).value));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Return(1).value));
}

TEST_P(OrcUnwinderTest, NmiStackLeadsDownToTheStackItInterrupted) {
  orc.Add(Function(0), Regs()).AddCall(Function(1), 8).AddEnd(Function(2));
  PutRegisters(
      kNmiStack + 0x1f58 - 0x18,
      {{"rip", Function(1).value}, {"cs", kKernelCs}, {"rsp", (kTaskStack + 0x900).value}});
  memory.PutU64(kTaskStack + 0x900, Return(2).value);
  Stack stack = Unwind(At(Function(0), kNmiStack + 0x1f58 - 0x18));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Function(1).value, Return(2).value));
  EXPECT_THAT(stack.end_reason, IsEmpty());
}

TEST_P(OrcUnwinderTest, ExceptionStacksMayLieBelowEachOther) {
  orc.Add(Function(0), Regs()).AddCall(Function(1), 8).AddEnd(Function(2));
  PutRegisters(kNmiStack + 0x1800,
               {{"rip", Function(1).value}, {"cs", kKernelCs}, {"rsp", (kNmiStack + 0x800).value}});
  memory.PutU64(kNmiStack + 0x800, Return(2).value);
  EXPECT_THAT(Unwind(At(Function(0), kNmiStack + 0x1800)).end_reason, IsEmpty());
}

// What was interrupted is known; its stack leads nowhere.
TEST_P(OrcUnwinderTest, GoingDownOnOneStackEndsAtTheInterruptedFrame) {
  orc.Add(Function(0), Regs()).AddEnd(Function(1));
  PutRegisters(
      kTaskStack + 0x800,
      {{"rip", Function(1).value}, {"cs", kKernelCs}, {"rsp", (kTaskStack + 0x100).value}});
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x800));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Function(1).value));
  EXPECT_TRUE(stack.frames[1].interrupted);
  EXPECT_TRUE(stack.frames[1].exact);
  EXPECT_THAT(stack.end_reason, HasSubstr("wrong direction"));
}

TEST_P(OrcUnwinderTest, StackPointerOutsideTheKernelEndsAtTheInterruptedFrame) {
  orc.Add(Function(0), Regs()).AddEnd(Function(1));
  PutRegisters(kTaskStack + 0x800,
               {{"rip", Function(1).value}, {"cs", kKernelCs}, {"rsp", 0x7ffc00001000}});
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x800));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, Function(1).value));
  EXPECT_TRUE(stack.frames[1].interrupted);
  EXPECT_THAT(stack.end_reason, HasSubstr("not in the kernel"));
}

TEST_P(OrcUnwinderTest, ReturnThatGoesDownIsRefused) {
  orc.Add(Function(0), {.sp_base = OrcBase::kBp, .type = OrcType::kCall});
  memory.PutU64(kTaskStack + 0xf8, Return(1).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x800, true, (kTaskStack + 0x100).value));
  EXPECT_EQ(stack.frames.size(), 1u);
  EXPECT_THAT(stack.end_reason, HasSubstr("wrong direction"));
}

TEST_P(OrcUnwinderTest, TwoStacksThatLeadToEachOtherAreALoop) {
  orc.Add(Function(0), Regs());
  PutRegisters(kTaskStack + 0x800,
               {{"rip", Function(0).value}, {"cs", kKernelCs}, {"rsp", (kIrqStack + 0x800).value}});
  PutRegisters(
      kIrqStack + 0x800,
      {{"rip", Function(0).value}, {"cs", kKernelCs}, {"rsp", (kTaskStack + 0x800).value}});
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x800));
  EXPECT_EQ(stack.frames.size(), 3u);
  EXPECT_THAT(stack.end_reason, HasSubstr("loops"));
  // The limit holds for the last frame too.
  EXPECT_EQ(Unwind(At(Function(0), kTaskStack + 0x800), {.max_frames = 2}).frames.size(), 2u);
}

TEST_P(OrcUnwinderTest, FramesAreLimited) {
  orc.AddCall(Function(0), 8);
  for (uint64_t at = 0x100; at < 0x2000; at += 8) memory.PutU64(kTaskStack + at, Return(0).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100), {.max_frames = 20});
  EXPECT_EQ(stack.frames.size(), 20u);
  EXPECT_THAT(stack.end_reason, HasSubstr("more than 20 frames"));
}

TEST_P(OrcUnwinderTest, UnreadableStackEndsWithTheAddress) {
  orc.AddCall(Function(0), 24);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x3ff8));
  EXPECT_EQ(stack.frames.size(), 1u);
  EXPECT_THAT(stack.end_reason, HasSubstr("0xffffc90000014008"));
}

TEST_P(OrcUnwinderTest, CallThroughNullReturnsToTheTopOfTheStack) {
  orc.AddCall(Function(0), 16).AddEnd(Function(1));
  CallIndirect(0);
  memory.PutU64(kTaskStack + 0x100, Return(0).value);
  memory.PutU64(kTaskStack + 0x110, Return(1).value);
  Stack stack = Unwind(At(VirtAddr(0), kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack), ElementsAre(0, Return(0).value, Return(1).value));
  EXPECT_TRUE(stack.frames[1].reliable);
  EXPECT_THAT(stack.end_reason, IsEmpty());
}

TEST_P(OrcUnwinderTest, CallThroughAWildPointerBelowAnException) {
  orc.Add(Function(0), Regs()).AddCall(Function(1), 16).AddEnd(Function(2));
  CallIndirect(1);
  PutRegisters(kTaskStack + 0x100,
               {{"rip", 0x4242}, {"cs", kKernelCs}, {"rsp", (kTaskStack + 0x400).value}});
  memory.PutU64(kTaskStack + 0x400, Return(1).value);
  memory.PutU64(kTaskStack + 0x410, Return(2).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack), ElementsAre(Function(0).value, 0x4242, Return(1).value, Return(2).value));
}

TEST_P(OrcUnwinderTest, ReturnToUserAddressEnds) {
  orc.AddCall(Function(0), 8);
  memory.PutU64(kTaskStack + 0x100, 0x401000);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_THAT(stack.end_reason, HasSubstr("0x401000 is not in the kernel"));
}

TEST_P(OrcUnwinderTest, GeneratedCodeIsCrossedByItsFramePointer) {
  orc.AddCall(Function(0), 8).AddCall(Function(1), 8).AddEnd(Function(2));
  CallIndirect(1);
  memory.PutU64(kTaskStack + 0x100, kBpf.value + 0x40);
  memory.PutU64(kTaskStack + 0x200, 0);
  memory.PutU64(kTaskStack + 0x208, Return(1).value);
  memory.PutU64(kTaskStack + 0x210, Return(2).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100, true, (kTaskStack + 0x200).value));
  EXPECT_THAT(Pcs(stack),
              ElementsAre(Function(0).value, kBpf.value + 0x40, Return(1).value, Return(2).value));
  EXPECT_FALSE(stack.frames[2].reliable);
  EXPECT_TRUE(stack.frames[3].reliable);
}

TEST_P(OrcUnwinderTest, CodeWithoutFramePointerIsCrossedByTheNextReturnAddress) {
  orc.AddCall(Function(0), 8).AddCall(Function(1), 8).AddEnd(Function(2));
  CallIndirect(1);
  memory.PutU64(kTaskStack + 0x100, kBpf.value + 0x40);
  memory.PutU64(kTaskStack + 0x120, Function(1).value + 0x33);  // code, but behind no call
  memory.PutU64(kTaskStack + 0x140, Return(1).value);
  memory.PutU64(kTaskStack + 0x148, Return(2).value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack),
              ElementsAre(Function(0).value, kBpf.value + 0x40, Return(1).value, Return(2).value));
  EXPECT_FALSE(stack.frames[2].reliable);
}

// __crash_kexec has no ORC; every panic's stack begins there.
TEST_P(OrcUnwinderTest, FunctionWithoutOrcIsLeftByTheCallThatLedToIt) {
  orc.AddGap(Function(0)).AddCall(Function(1), 8).AddCall(Function(2), 16).AddEnd(Function(3));
  symbols.Add(0, "__crash_kexec", Function(0), 0x100, 't');
  Call(1, 2);  // some other call, left on the stack by what ran before
  Call(2, 0);
  memory.PutU64(kTaskStack + 0x140, Return(1).value);
  memory.PutU64(kTaskStack + 0x1b8, Return(2).value);
  memory.PutU64(kTaskStack + 0x1c8, Return(3).value);
  Stack stack = Unwind(At(Function(0) + 0x50, kTaskStack + 0x100));
  EXPECT_THAT(Pcs(stack),
              ElementsAre((Function(0) + 0x50).value, Return(2).value, Return(3).value));
  EXPECT_TRUE(stack.frames[1].reliable);
}

TEST_P(OrcUnwinderTest, UnknownCodeWithNothingOnTheStackSaysSo) {
  orc.AddCall(Function(0), 8);
  memory.PutU64(kTaskStack + 0x100, kBpf.value);
  Stack stack = Unwind(At(Function(0), kTaskStack + 0x100));
  EXPECT_EQ(stack.frames.size(), 2u);
  EXPECT_THAT(stack.end_reason, HasSubstr("no ORC entry"));
}

TEST_P(OrcUnwinderTest, WithoutProgramCounterThereIsNothing) {
  Stack stack = Unwind({.registers = space::RegisterSet::Empty(arch())});
  EXPECT_THAT(stack.frames, IsEmpty());
  EXPECT_THAT(stack.end_reason, HasSubstr("program counter"));
}

TEST(OrcUnwinderCreate, RefusesAnotherArchitecture) {
  fakes::FakeVirtMemory memory;
  symbols::SymbolTable symbols;
  Result<const arch::Arch*> ppc = arch::FindArch(EM_PPC, 4, Endian::kBig);
  ASSERT_TRUE(ppc);
  auto created = OrcUnwinder::Create(**ppc, memory, symbols, OrcTables(memory, OrcVersion::k3, {}));
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::unwind
