// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/cpus.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hmem/format/elf_note.h"
#include "tests/fakes/fake_kernel.h"
#include "tests/makers/prstatus_maker.h"

namespace hmem::walk {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class EchoUnwinder : public unwind::Unwinder {
 public:
  unwind::Stack Unwind(const unwind::Start& start, const unwind::Limits&) const override {
    return {
        .frames = {{.pc = VirtAddr(*start.registers.Get(Arch(), "rip")), .exact = start.exact}}};
  }
  static const arch::Arch& Arch() { return **arch::FindArch(EM_X86_64, 8, Endian::kLittle); }
};

// Four possible CPUs; 0, 1 and 3 online.
class Cpus : public ::testing::Test {
 protected:
  static constexpr uint64_t kCpus = 4;

  Cpus() {
    fake.unwinder = std::make_unique<EchoUnwinder>();
    fake.Struct("rq", 16, {{"curr", fake.pointer, 0}, {"idle", fake.pointer, 8}});
    fake.Struct("task_struct", 48,
                {{"__state", fake.u32, 0},
                 {"exit_state", fake.s32, 4},
                 {"pid", fake.s32, 8},
                 {"tgid", fake.s32, 12},
                 {"comm", fake.Text(16), 16}});
    areas = fake.NewBytes(kCpus * 0x1000);
    possible = fake.NewBytes(8);
    limit = fake.NewBytes(4);
    VirtAddr online = fake.NewBytes(8);
    VirtAddr offsets = fake.NewBytes(8 * kCpus);
    fake.PutU64(possible, 0xf);
    fake.PutU64(online, 0xb);
    fake.PutU32(limit, kCpus);
    for (uint64_t cpu = 0; cpu < kCpus; ++cpu)
      fake.PutU64(offsets + cpu * 8, areas.value + cpu * 0x1000);
    fake.Symbol("__cpu_possible_mask", possible);
    fake.Symbol("__cpu_online_mask", online);
    fake.Symbol("nr_cpu_ids", limit);
    fake.Symbol("__per_cpu_offset", offsets);
    // Per-CPU symbols count from 0, as on x86_64 until 6.14: runqueues at 0x100, the notes at
    // 0x400.
    fake.Symbol("runqueues", VirtAddr(0x100), 'A');
    notes = fake.NewBytes(8);
    fake.PutU64(notes, 0x400);
    fake.Symbol("crash_notes", notes);
    panic_cpu = fake.NewBytes(4);
    fake.PutU32(panic_cpu, 1);
    fake.Symbol("panic_cpu", panic_cpu);
    for (uint64_t cpu = 0; cpu < kCpus; ++cpu) {
      VirtAddr task = fake.New("task_struct");
      fake.Set(task, "task_struct", "pid", 100 + cpu);
      fake.SetText(task, "task_struct", "comm", "task" + std::to_string(cpu));
      fake.SetPointer(areas + cpu * 0x1000 + 0x100, "rq", "curr", task);
      tasks.push_back(task);
    }
  }
  VirtAddr NotesOf(uint64_t cpu) { return areas + cpu * 0x1000 + 0x400; }
  void SaveCpu(uint64_t cpu, uint64_t rip) {
    fake.Write(NotesOf(cpu), Serialized(static_cast<uint32_t>(cpu), rip));
  }
  // A CPU note of a crash dump's file.
  void AddFileNote(uint32_t pid, uint64_t rip) {
    fake.vmcoreinfo = "CRASHTIME=1700000000\n";
    fake.source.AddNote("CORE", NT_PRSTATUS,
                        makers::MakePrstatus(EchoUnwinder::Arch(), pid, {{"rip", rip}}));
  }
  std::vector<std::string> FindingIds() const {
    std::vector<std::string> ids;
    for (const Finding& finding : findings.all()) ids.push_back(finding.id);
    return ids;
  }
  static std::vector<std::byte> Serialized(uint32_t pid, uint64_t rip) {
    return format::SerializeNotes(
        std::vector<format::Note>{
            {"CORE", NT_PRSTATUS, makers::MakePrstatus(EchoUnwinder::Arch(), pid, {{"rip", rip}})}},
        Endian::kLittle);
  }
  std::vector<Cpu> Read() { return ReadCpus(fake.Open(), findings); }

  fakes::FakeKernel fake;
  Findings findings;
  VirtAddr areas, notes, panic_cpu, possible, limit;
  std::vector<VirtAddr> tasks;  // what each CPU runs
};

TEST_F(Cpus, RegistersComeFromThePerCpuNotesAndCurrentFromTheRunqueue) {
  for (uint64_t cpu : {0u, 1u, 3u}) SaveCpu(cpu, 0xffffffff81000000 + cpu);
  std::vector<Cpu> cpus = Read();
  ASSERT_THAT(cpus, SizeIs(3));
  EXPECT_EQ(cpus[2].number, 3u);
  EXPECT_EQ(cpus[2].registers->Get(EchoUnwinder::Arch(), "rip"), 0xffffffff81000003);
  EXPECT_EQ(cpus[2].stack.frames[0].pc.value, 0xffffffff81000003);
  EXPECT_TRUE(cpus[2].stack.frames[0].exact);
  EXPECT_EQ(cpus[2].current->comm, "task3");
  EXPECT_FALSE(cpus[0].crashed);
  EXPECT_TRUE(cpus[1].crashed);
  EXPECT_FALSE(findings.HasLosses());
}

TEST_F(Cpus, CpuThatDidNotAnswerHasNoRegistersAndSaysSo) {
  SaveCpu(0, 1);
  SaveCpu(1, 2);
  std::vector<Cpu> cpus = Read();
  ASSERT_THAT(cpus, SizeIs(3));
  EXPECT_FALSE(cpus[2].registers);
  EXPECT_THAT(cpus[2].stack.end_reason, HasSubstr("did not answer"));
  EXPECT_EQ(cpus[2].current->pid, 103);
}

TEST_F(Cpus, OfflineCpuWithNotesIsShown) {
  SaveCpu(2, 5);
  std::vector<Cpu> cpus = Read();
  ASSERT_THAT(cpus, SizeIs(4));
  EXPECT_FALSE(cpus[2].online);
  EXPECT_TRUE(cpus[2].registers);
}

// Notes of the file are not in CPU order; only a snapshot numbers them.
TEST_F(Cpus, NotesOfTheFileServeOnlyASnapshot) {
  fake.source.AddNote("CORE", NT_PRSTATUS,
                      makers::MakePrstatus(EchoUnwinder::Arch(), 4, {{"rip", 0x44}}));
  fake.source.AddNote("CORE", NT_PRSTATUS,
                      makers::MakePrstatus(EchoUnwinder::Arch(), 1, {{"rip", 0x11}}));
  std::vector<Cpu> cpus = Read();
  EXPECT_EQ(cpus[0].registers->Get(EchoUnwinder::Arch(), "rip"), 0x11u);
  EXPECT_FALSE(cpus[1].registers);
  EXPECT_EQ(cpus.back().registers->Get(EchoUnwinder::Arch(), "rip"), 0x44u);
}

TEST_F(Cpus, TheFilesNotesServeByPidWhereNoCrashNoteCanBeRead) {
  fake.Fail(notes, 8, ErrorCode::kNotMapped);
  for (uint32_t cpu : {3u, 0u, 1u}) AddFileNote(100 + cpu, 0x10 + cpu);
  std::vector<Cpu> cpus = Read();
  ASSERT_THAT(cpus, SizeIs(3));
  for (const Cpu& cpu : cpus) {
    ASSERT_TRUE(cpu.registers) << cpu.number;
    EXPECT_EQ(cpu.registers->Get(EchoUnwinder::Arch(), "rip"), 0x10u + cpu.number);
    EXPECT_EQ(cpu.registers_origin, RegistersOrigin::kFileByPid);
    EXPECT_THAT(cpu.stack.frames, SizeIs(1));
  }
  EXPECT_THAT(FindingIds(), Contains("walk.cpus.from-file-by-pid"));
}

TEST_F(Cpus, NotesOfIdleTasksAreTakenInTheirOrderAndLabelledSo) {
  fake.Fail(notes, 8, ErrorCode::kNotMapped);
  for (int cpu : {0, 3}) fake.Set(tasks[static_cast<size_t>(cpu)], "task_struct", "pid", 0);
  AddFileNote(0, 0x10);
  AddFileNote(101, 0x11);
  AddFileNote(0, 0x13);
  std::vector<Cpu> cpus = Read();
  ASSERT_THAT(cpus, SizeIs(3));
  EXPECT_EQ(cpus[0].registers->Get(EchoUnwinder::Arch(), "rip"), 0x10u);
  EXPECT_EQ(cpus[0].registers_origin, RegistersOrigin::kFileInOrder);
  EXPECT_EQ(cpus[1].registers_origin, RegistersOrigin::kFileByPid);
  EXPECT_EQ(cpus[2].registers->Get(EchoUnwinder::Arch(), "rip"), 0x13u);
  EXPECT_THAT(FindingIds(), Contains("walk.cpus.from-file-in-order"));
}

TEST_F(Cpus, TheFilesNotesDoNotServeWhereACrashNoteIsThere) {
  SaveCpu(0, 1);
  AddFileNote(101, 0x11);
  std::vector<Cpu> cpus = Read();
  EXPECT_EQ(cpus[0].registers_origin, RegistersOrigin::kCrashNotes);
  EXPECT_FALSE(cpus[1].registers);
}

TEST_F(Cpus, AFileNoteOfAnotherTaskIsNotTakenAndSaidSo) {
  AddFileNote(1, 0x11);
  EXPECT_FALSE(Read()[0].registers);
  EXPECT_THAT(FindingIds(), Contains("walk.cpus.strange-file-notes"));
}

TEST(CpusWithoutSymbols, EachNoteOfTheFileIsACpu) {
  fakes::FakeKernel fake;
  fake.vmcoreinfo = "CRASHTIME=1700000000\n";
  for (uint64_t rip : {0x10u, 0x11u, 0x12u}) {
    fake.source.AddNote("CORE", NT_PRSTATUS,
                        makers::MakePrstatus(EchoUnwinder::Arch(), 7, {{"rip", rip}}));
  }
  Findings findings;
  std::vector<Cpu> cpus = ReadCpus(fake.Open(), findings);
  ASSERT_THAT(cpus, SizeIs(3));
  EXPECT_EQ(cpus[2].number, 2u);
  EXPECT_EQ(cpus[2].registers->Get(EchoUnwinder::Arch(), "rip"), 0x12u);
  EXPECT_EQ(cpus[2].registers_origin, RegistersOrigin::kFileInOrder);
  EXPECT_TRUE(findings.HasLosses());
}

TEST_F(Cpus, MissingRegistersAreNotBlamedOnACpuWhoseNotesCannotBeRead) {
  fake.Fail(notes, 8, ErrorCode::kTruncated);
  EXPECT_THAT(Read()[0].stack.end_reason,
              AllOf(HasSubstr("cannot be found"), Not(HasSubstr("answer"))));
}

TEST_F(Cpus, WithoutThePossibleMaskEveryCpuBelowTheLimitIsLookedAt) {
  fake.Fail(possible, 8, ErrorCode::kTruncated);
  for (uint64_t cpu : {0u, 1u, 3u}) SaveCpu(cpu, 1);
  EXPECT_THAT(Read(), SizeIs(3));
  EXPECT_THAT(FindingIds(), Contains("walk.cpus.no-possible-mask"));
}

TEST_F(Cpus, WithoutAnyMaskTheCrashedCpuIsLookedAt) {
  fake.Fail(possible, 8, ErrorCode::kTruncated);
  fake.Fail(limit, 4, ErrorCode::kTruncated);
  SaveCpu(1, 0x11);
  std::vector<Cpu> cpus = Read();
  ASSERT_THAT(cpus, SizeIs(2));
  EXPECT_EQ(cpus[1].number, 1u);
  EXPECT_TRUE(cpus[1].crashed);
  EXPECT_TRUE(cpus[1].registers);
}

TEST_F(Cpus, DamagedNotesAreAFinding) {
  SaveCpu(0, 1);
  fake.PutU32(NotesOf(0) + 4, 0x7fffffff);
  std::vector<Cpu> cpus = Read();
  EXPECT_FALSE(cpus[0].registers);
  ASSERT_FALSE(findings.all().empty());
  EXPECT_EQ(findings.all()[0].id, "walk.cpus.bad-notes");
  EXPECT_THAT(cpus[0].stack.end_reason, HasSubstr("cannot be read"));
}

TEST_F(Cpus, CrashedCpuFallsBackToCrashingCpu) {
  fake.PutU32(panic_cpu, 0xffffffff);
  VirtAddr crashing = fake.NewBytes(4);
  fake.PutU32(crashing, 3);
  fake.Symbol("crashing_cpu", crashing);
  Result<uint32_t> cpu = CrashedCpu(fake.Open());
  ASSERT_TRUE(cpu);
  EXPECT_EQ(*cpu, 3u);
}

TEST_F(Cpus, NobodyCrashedInASnapshot) {
  fake.PutU32(panic_cpu, 0xffffffff);
  Result<uint32_t> cpu = CrashedCpu(fake.Open());
  ASSERT_FALSE(cpu);
  EXPECT_EQ(cpu.error().code(), ErrorCode::kNotFound);
}

TEST_F(Cpus, AnUnreadablePanicCpuIsNotNobody) {
  fake.Fail(panic_cpu, 4, ErrorCode::kTruncated);
  VirtAddr crashing = fake.NewBytes(4);
  fake.PutU32(crashing, 0xffffffff);
  fake.Symbol("crashing_cpu", crashing);
  Result<uint32_t> cpu = CrashedCpu(fake.Open());
  ASSERT_FALSE(cpu);
  EXPECT_EQ(cpu.error().code(), ErrorCode::kTruncated);
}

TEST(CpusWithoutSymbols, TheCrashedCpuIsNotKnown) {
  fakes::FakeKernel fake;
  Result<uint32_t> cpu = CrashedCpu(fake.Open());
  ASSERT_FALSE(cpu);
  EXPECT_EQ(cpu.error().code(), ErrorCode::kMissingDebugInfo);
}

TEST_F(Cpus, ANumberThatNoCpuHasIsRefused) {
  fake.PutU32(panic_cpu, 0x12345678);
  Result<uint32_t> cpu = CrashedCpu(fake.Open());
  ASSERT_FALSE(cpu);
  EXPECT_EQ(cpu.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace hmem::walk
