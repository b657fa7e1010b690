// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/record_builder.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dumptools/firstfailure/record_store.h"
#include "tests/fakes/fake_kernel.h"
#include "tests/makers/log_ring_maker.h"
#include "tests/makers/prstatus_maker.h"

namespace hmem::firstfailure {
namespace {

using testing::HasSubstr;

// A kernel of which VMCOREINFO, the log and the file's CPU notes are there, and what a test adds.
class RecordBuilder : public testing::Test {
 protected:
  static constexpr VirtAddr kLog{fakes::FakeKernel::kBase.value + 0x1000000};
  static constexpr uint64_t kLogBytes = 0x50000;

  RecordBuilder() : ring(log_memory, kLog, {.descriptor_bits = 9, .data_bits = 14}) {}

  static const arch::Arch& Arch() { return **arch::FindArch(EM_X86_64, 8, Endian::kLittle); }
  void AddNote(uint32_t pid, uint64_t rip) {
    fake.source.AddNote("CORE", NT_PRSTATUS, makers::MakePrstatus(Arch(), pid, {{"rip", rip}}));
  }
  // Tasks in state D, by pid, reached from init_task.
  void AddBlockedTasks(const std::vector<int>& pids) {
    fake.Struct("task_struct", 136,
                {{"__state", fake.u32, 8},
                 {"stack", fake.pointer, 16},
                 {"on_cpu", fake.s32, 24},
                 {"exit_state", fake.s32, 28},
                 {"tasks", fake.list_head, 32},
                 {"thread_node", fake.list_head, 48},
                 {"pid", fake.s32, 64},
                 {"tgid", fake.s32, 68},
                 {"signal", fake.pointer, 80},
                 {"comm", fake.Text(16), 104}});
    fake.Struct("signal_struct", 24, {{"thread_head", fake.list_head, 8}});
    std::vector<VirtAddr> list;
    for (int pid : pids) {
      VirtAddr task = AddTask(pid);
      if (pid == 0) fake.Symbol("init_task", task);
      list.push_back(fake.At(task, "task_struct", "tasks"));
    }
    fake.List(list);
  }
  v1::FirstFailure Build(const RecordOptions& options = {}) {
    CopyLog();
    fake.vmcoreinfo = ring.Vmcoreinfo() + "OSRELEASE=6.1.0-test\nCRASHTIME=1700000000\n";
    auto record = BuildRecord(fake.Open(), options, findings);
    EXPECT_TRUE(record) << record.error().ToString();
    return record ? *std::move(record) : v1::FirstFailure();
  }

  fakes::FakeKernel fake;
  fakes::FakeVirtMemory log_memory;
  makers::LogRingMaker ring;
  Findings findings;

 private:
  VirtAddr AddTask(int pid) {
    VirtAddr task = fake.New("task_struct");
    fake.Set(task, "task_struct", "pid", static_cast<uint64_t>(pid));
    fake.Set(task, "task_struct", "tgid", static_cast<uint64_t>(pid));
    fake.Set(task, "task_struct", "__state", 2);
    VirtAddr signal = fake.New("signal_struct");
    fake.SetPointer(task, "task_struct", "signal", signal);
    fake.List({fake.At(signal, "signal_struct", "thread_head"),
               fake.At(task, "task_struct", "thread_node")});
    return task;
  }
  void CopyLog() {
    std::vector<std::byte> page(4096);
    for (uint64_t at = 0; at < kLogBytes; at += page.size()) {
      if (log_memory.Read(kLog + at, page)) fake.Write(kLog + at, page);
    }
  }
};

TEST_F(RecordBuilder, WithoutSymbolsTheFilesNotesGiveTheRegisters) {
  AddNote(7, 0xffffffff81001000);
  AddNote(0, 0xffffffff81002000);
  v1::FirstFailure record = Build();
  ASSERT_EQ(record.cpus_size(), 2);
  for (const v1::Cpu& cpu : record.cpus()) {
    EXPECT_GT(cpu.registers_size(), 0);
    EXPECT_EQ(cpu.registers_origin(), v1::Cpu::REGISTERS_ORIGIN_FILE_IN_ORDER);
    EXPECT_THAT(cpu.stack().end_reason(), testing::Not(HasSubstr("answer")));
  }
  EXPECT_EQ(record.kernel().release(), "6.1.0-test");
  EXPECT_TRUE(findings.HasLosses());
}

TEST_F(RecordBuilder, TheTaskThatTheLogNamesIsKeptFirst) {
  ring.Add("INFO: task t:45 blocked for more than 120 seconds.");
  ring.Add("Kernel panic - not syncing: hung_task: blocked tasks");
  AddBlockedTasks({0, 40, 41, 42, 43, 44, 45, 46});
  v1::FirstFailure record = Build({.max_blocked_tasks = 2});
  ASSERT_EQ(record.blocked_tasks_size(), 2);
  EXPECT_EQ(record.blocked_tasks(0).task().pid(), 45);
  EXPECT_EQ(record.blocked_tasks(1).task().pid(), 40);
  EXPECT_EQ(record.blocked_task_count(), 7u);
  EXPECT_EQ(record.cause().location_task().pid(), 45);
}

TEST_F(RecordBuilder, ManyEmptyLinesStayWithinTheBudget) {
  for (int i = 0; i < 400; ++i) ring.AddEmpty();
  ring.Add("the last line");
  v1::FirstFailure record = Build({.log_tail_encoded_bytes = 1000});
  size_t bytes = 0;
  for (const v1::LogRecord& line : record.log_tail()) bytes += line.ByteSizeLong();
  EXPECT_LE(bytes, 1000u);
  EXPECT_GT(record.log_tail_size(), 10);
  EXPECT_EQ(record.log_tail().rbegin()->text(), "the last line");
  EXPECT_EQ(record.log_records_omitted(), 401u - static_cast<uint64_t>(record.log_tail_size()));
}

TEST_F(RecordBuilder, ALogWithoutItsBeginningIsToldWhereItShowsNoFailure) {
  for (int i = 0; i < 600; ++i) ring.Add("quiet");
  v1::FirstFailure record = Build();
  EXPECT_FALSE(record.has_first_failure());
  EXPECT_TRUE(record.log_start_lost());
}

TEST_F(RecordBuilder, TheRecordCanBeStored) {
  ring.Add("Kernel panic - not syncing: Fatal exception");
  auto bytes = SerializeRecord(Build());
  ASSERT_TRUE(bytes);
  EXPECT_LE(bytes->size(), kMaxRecordBytes);
}

}  // namespace
}  // namespace hmem::firstfailure
