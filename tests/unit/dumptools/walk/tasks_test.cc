// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/tasks.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/fakes/fake_kernel.h"

namespace hmem::walk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What Unwind was asked for.
class SpyUnwinder : public unwind::Unwinder {
 public:
  explicit SpyUnwinder(std::vector<unwind::Start>* asked) : asked_(asked) {}
  unwind::Stack Unwind(const unwind::Start& start, const unwind::Limits&) const override {
    asked_->push_back(start);
    return {.frames = {{.pc = VirtAddr(1)}}};
  }

 private:
  std::vector<unwind::Start>* asked_;
};

class Tasks : public ::testing::Test {
 protected:
  Tasks() {
    using Member = fakes::FakeKernel::Member;
    uint32_t thread_info = fake.Struct("thread_info", 8, {{"cpu", fake.u32, 4}});
    uint32_t thread = fake.Struct("thread_struct", 16, {{"sp", fake.u64, 8}});
    std::vector<Member> members = {{"thread_info", thread_info, 0},
                                   {"__state", fake.u32, 8},
                                   {"flags", fake.u32, 12},
                                   {"stack", fake.pointer, 16},
                                   {"on_cpu", fake.s32, 24},
                                   {"exit_state", fake.s32, 28},
                                   {"tasks", fake.list_head, 32},
                                   {"thread_node", fake.list_head, 48},
                                   {"pid", fake.s32, 64},
                                   {"tgid", fake.s32, 68},
                                   {"real_parent", fake.pointer, 72},
                                   {"signal", fake.pointer, 80},
                                   {"mm", fake.pointer, 88},
                                   {"start_boottime", fake.u64, 96},
                                   {"comm", fake.Text(16), 104},
                                   {"thread", thread, 120}};
    fake.Struct("task_struct", 136, members);
    fake.Struct("signal_struct", 24, {{"thread_head", fake.list_head, 8}});
    fake.Struct("inactive_task_frame", 56,
                {{"r15", fake.u64, 0},
                 {"r14", fake.u64, 8},
                 {"r13", fake.u64, 16},
                 {"r12", fake.u64, 24},
                 {"bx", fake.u64, 32},
                 {"bp", fake.u64, 40},
                 {"ret_addr", fake.u64, 48}});
    fake.Struct("rq", 16, {{"idle", fake.pointer, 8}});
    fake.btf.Enum(
        "mm_counters",
        {{"MM_FILEPAGES", 0}, {"MM_ANONPAGES", 1}, {"MM_SWAPENTS", 2}, {"MM_SHMEMPAGES", 3}});
  }

  VirtAddr Task(int pid, int tgid, std::string_view comm) {
    VirtAddr task = fake.New("task_struct");
    fake.Set(task, "task_struct", "pid", static_cast<uint64_t>(pid));
    fake.Set(task, "task_struct", "tgid", static_cast<uint64_t>(tgid));
    fake.SetText(task, "task_struct", "comm", comm);
    return task;
  }
  VirtAddr Node(VirtAddr task) { return fake.At(task, "task_struct", "thread_node"); }
  VirtAddr TasksOf(VirtAddr task) { return fake.At(task, "task_struct", "tasks"); }
  // One process: its leader first.
  VirtAddr Process(const std::vector<VirtAddr>& threads) {
    VirtAddr signal = fake.New("signal_struct");
    std::vector<VirtAddr> list = {fake.At(signal, "signal_struct", "thread_head")};
    for (VirtAddr thread : threads) {
      fake.SetPointer(thread, "task_struct", "signal", signal);
      list.push_back(Node(thread));
    }
    fake.List(list);
    return threads[0];
  }
  // init_task and the leaders.
  void Link(const std::vector<VirtAddr>& leaders) {
    init_task = Task(0, 0, "swapper/0");
    Process({init_task});
    fake.Symbol("init_task", init_task);
    std::vector<VirtAddr> list = {TasksOf(init_task)};
    for (VirtAddr leader : leaders) list.push_back(TasksOf(leader));
    fake.List(list);
  }
  std::vector<int> Pids() {
    Result<std::vector<walk::Task>> tasks = ReadTasks(fake.Open(), false, findings);
    EXPECT_TRUE(tasks) << tasks.error().ToString();
    std::vector<int> pids;
    if (tasks) {
      for (const walk::Task& task : *tasks) pids.push_back(task.pid);
    }
    return pids;
  }
  std::string FindingId() const { return findings.all().empty() ? "" : findings.all()[0].id; }

  fakes::FakeKernel fake;
  Findings findings;
  VirtAddr init_task;
};

TEST_F(Tasks, ListsEveryThreadSortedByProcess) {
  VirtAddr a = Task(20, 20, "daemon"), b = Task(22, 20, "worker"), c = Task(21, 20, "worker");
  VirtAddr d = Task(1, 1, "init");
  Link({Process({a, b, c}), Process({d})});
  EXPECT_THAT(Pids(), ElementsAre(1, 20, 21, 22));
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(Tasks, AreVisitedInTheKernelsOrderUntilItIsEnough) {
  VirtAddr a = Task(20, 20, "daemon"), b = Task(22, 20, "worker"), c = Task(21, 20, "worker");
  VirtAddr d = Task(1, 1, "init");
  Link({Process({a, b, c}), Process({d})});
  const walk::Kernel& kernel = fake.Open();
  for (size_t enough = 1; enough <= 4; ++enough) {
    std::vector<int> pids;
    EXPECT_TRUE(ForEachTask(kernel, true, findings, [&](const walk::Task& task) {
      pids.push_back(task.pid);
      return pids.size() < enough;
    }));
    const std::vector<int> all = {20, 22, 21, 1};
    EXPECT_EQ(pids, std::vector<int>(all.begin(), all.begin() + static_cast<ptrdiff_t>(enough)));
  }
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(Tasks, ReadsWhatATaskIs) {
  VirtAddr parent = Task(1, 1, "init"), task = Task(7, 7, "kworker/0:1");
  fake.Set(task, "task_struct", "__state", 0x402);
  fake.Set(task, "task_struct", "flags", 0x00200040);
  fake.Set(task, "task_struct", "thread_info.cpu", 3);
  fake.Set(task, "task_struct", "on_cpu", 1);
  fake.Set(task, "task_struct", "start_boottime", 123456789);
  fake.Set(task, "task_struct", "stack", 0xffffc90000010000);
  fake.SetPointer(task, "task_struct", "real_parent", parent);
  Result<walk::Task> read = ReadTask(fake.Open(), task);
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(read->comm, "kworker/0:1");
  EXPECT_EQ(read->state_letter, 'I');
  EXPECT_TRUE(read->kernel_thread);
  EXPECT_EQ(read->cpu, 3u);
  EXPECT_TRUE(read->on_cpu);
  EXPECT_EQ(read->start_time_ns, 123456789u);
  EXPECT_EQ(read->stack.value, 0xffffc90000010000);
  EXPECT_EQ(read->parent_tgid, 1);
}

TEST_F(Tasks, LoopedTaskListEndsWithAFinding) {
  VirtAddr a = Task(1, 1, "a"), b = Task(2, 2, "b"), c = Task(3, 3, "c");
  Link({Process({a}), Process({b}), Process({c})});
  fake.PutU64(TasksOf(b), TasksOf(a).value);
  EXPECT_THAT(Pids(), ElementsAre(1, 2, 3));
  EXPECT_EQ(FindingId(), "walk.list.loop");
}

TEST_F(Tasks, LoopedThreadListEndsWithAFinding) {
  VirtAddr a = Task(1, 1, "a"), b = Task(2, 1, "b"), c = Task(3, 1, "c");
  Link({Process({a, b, c})});
  fake.PutU64(Node(b), Node(b).value);
  EXPECT_THAT(Pids(), ElementsAre(1, 2, 3));
  EXPECT_EQ(FindingId(), "walk.list.loop");
}

// Every entry of the other list would be read as a task, and it may have millions.
class StrayList : public Tasks, public ::testing::WithParamInterface<bool> {};

TEST_P(StrayList, IsNotBelievedForLongAndTheTasksBehindAreReachedFromItsEnd) {
  const bool of_threads = GetParam();
  VirtAddr a = Task(1, 1, "a"), b = Task(2, of_threads ? 1 : 2, "b");
  Link(of_threads ? std::vector{Process({a, b})} : std::vector{Process({a}), Process({b})});
  std::vector<VirtAddr> others;
  for (int i = 0; i < 1000; ++i) others.push_back(fake.NewBytes(256) + 64);
  fake.List(others);
  fake.PutU64(of_threads ? Node(a) : TasksOf(a), others[1].value);
  // What is taken for one of the others has pid 0, as only idle tasks have.
  EXPECT_THAT(Pids(), ElementsAre(1, 2));
  const auto all = findings.all();
  auto astray = std::ranges::find(all, "walk.tasks.astray", &Finding::id);
  ASSERT_NE(astray, all.end());
  EXPECT_EQ(astray->count, 1000u - 64u);
  EXPECT_THAT(astray->places[0], HasSubstr(fmt::format("{:#x}", others[65].value)));
}

INSTANTIATE_TEST_SUITE_P(OfLeadersOrThreads, StrayList, ::testing::Bool());

TEST_F(Tasks, LeaderWithoutReadableThreadsIsStillThere) {
  VirtAddr a = Task(1, 1, "a"), b = Task(2, 2, "b");
  Link({Process({a}), Process({b})});
  fake.Set(a, "task_struct", "signal", 0xdead000000000000);
  EXPECT_THAT(Pids(), ElementsAre(1, 2));
  EXPECT_TRUE(findings.HasLosses());
}

TEST_F(Tasks, UnreadableTaskIsSkippedAndNamed) {
  VirtAddr a = Task(1, 1, "a");
  fake.NewBytes(8192);
  VirtAddr bad = Task(2, 2, "b");
  fake.NewBytes(8192);
  Link({Process({a}), Process({bad})});
  // The lists still hang together; pid and what follows is gone.
  fake.Fail(fake.At(bad, "task_struct", "pid"), 8, ErrorCode::kExcluded);
  EXPECT_THAT(Pids(), ElementsAre(1));
  EXPECT_EQ(FindingId(), "walk.tasks.bad");
}

TEST_F(Tasks, WithoutInitTaskTheSymbolIsNamed) {
  Result<std::vector<walk::Task>> tasks = ReadTasks(fake.Open(), false, findings);
  ASSERT_FALSE(tasks);
  EXPECT_EQ(tasks.error().code(), ErrorCode::kMissingDebugInfo);
  EXPECT_THAT(tasks.error().ToString(), HasSubstr("init_task"));
}

TEST_F(Tasks, IdleTasksComeFirstWhenAskedFor) {
  VirtAddr a = Task(1, 1, "init"), idle1 = Task(0, 0, "swapper/1");
  Link({Process({a})});
  VirtAddr mask = fake.NewBytes(8), limit = fake.NewBytes(8), offsets = fake.NewBytes(16);
  VirtAddr queue0 = fake.New("rq"), queue1 = fake.New("rq");
  fake.PutU64(mask, 3);
  fake.PutU32(limit, 2);
  fake.PutU64(offsets, 0);
  fake.PutU64(offsets + 8, queue1 - queue0);
  fake.SetPointer(queue0, "rq", "idle", init_task);
  fake.SetPointer(queue1, "rq", "idle", idle1);
  fake.Symbol("__cpu_possible_mask", mask);
  fake.Symbol("nr_cpu_ids", limit);
  fake.Symbol("__per_cpu_offset", offsets);
  fake.Symbol("runqueues", queue0);
  Result<std::vector<walk::Task>> tasks = ReadTasks(fake.Open(), true, findings);
  ASSERT_TRUE(tasks) << tasks.error().ToString();
  ASSERT_EQ(tasks->size(), 3u);
  EXPECT_EQ((*tasks)[0].comm, "swapper/0");
  EXPECT_EQ((*tasks)[1].comm, "swapper/1");
  EXPECT_EQ((*tasks)[1].cpu, 1u);
  EXPECT_EQ((*tasks)[2].pid, 1);
}

// fs/proc/array.c, and what the guest's own /proc shows.
TEST(StateLetterOf, EveryStateAsProcShowsIt) {
  struct Case {
    uint64_t state, exit_state;
    char letter;
  };
  for (const Case& c :
       {Case{0, 0, 'R'}, Case{1, 0, 'S'}, Case{2, 0, 'D'}, Case{4, 0, 'T'}, Case{8, 0, 't'},
        Case{0x80, 0x10, 'X'}, Case{0x80, 0x20, 'Z'}, Case{0x40, 0, 'P'}, Case{0x402, 0, 'I'},
        Case{0x102, 0, 'D'}, Case{0x104, 0, 'T'}, Case{0x2001, 0, 'S'}, Case{0x1000, 0, 'D'},
        Case{0x8000, 0, 'D'}, Case{0x2402, 0, 'I'}, Case{0x200, 0, 'R'}, Case{0x800, 0, 'R'},
        Case{0x80, 0, 'R'}}) {
    EXPECT_EQ(StateLetter(c.state, c.exit_state), c.letter) << c.state << " " << c.exit_state;
  }
}

class ResidentPagesTest : public Tasks {};

TEST_F(ResidentPagesTest, CountersUntil61) {
  uint32_t counters = fake.Struct("mm_rss_stat", 32, {{"count", fake.btf.Array(fake.s64, 4), 0}});
  fake.Struct("mm_struct", 40, {{"rss_stat", counters, 8}});
  VirtAddr task = Task(1, 1, "init"), mm = fake.New("mm_struct");
  fake.SetPointer(task, "task_struct", "mm", mm);
  fake.PutU64(mm + 8, 100);
  fake.PutU64(mm + 16, 20);
  fake.PutU64(mm + 24, 7000);  // swapped out: not resident
  fake.PutU64(mm + 32, 3);
  EXPECT_EQ(ReadTask(fake.Open(), task)->rss_pages, 123u);
}

TEST_F(ResidentPagesTest, PerCpuCountersFrom62WithNegativeDrift) {
  uint32_t counter = fake.Struct("percpu_counter", 24, {{"count", fake.s64, 8}});
  fake.Struct("mm_struct", 104, {{"rss_stat", fake.btf.Array(counter, 4), 8}});
  VirtAddr task = Task(1, 1, "init"), mm = fake.New("mm_struct");
  fake.SetPointer(task, "task_struct", "mm", mm);
  fake.PutU64(mm + 16, 100);
  fake.PutU64(mm + 40, static_cast<uint64_t>(-5));
  fake.PutU64(mm + 88, 3);
  EXPECT_EQ(ReadTask(fake.Open(), task)->rss_pages, 103u);
}

class BlockedTask : public Tasks {
 protected:
  BlockedTask() {
    fake.unwinder = std::make_unique<SpyUnwinder>(&asked);
    stack = fake.NewBytes(0x4000);
    task = Task(5, 5, "sleeper");
    fake.SetPointer(task, "task_struct", "stack", stack);
    fake.SetPointer(task, "task_struct", "thread.sp", stack + 0x3000);
    fake.Set(stack + 0x3000, "inactive_task_frame", "bp", 0x1234);
    fake.Set(stack + 0x3000, "inactive_task_frame", "ret_addr", 0xffffffff81001020);
    fake.Symbol("__schedule", VirtAddr(0xffffffff81001000), 't');
    fake.Symbol("ret_from_fork", VirtAddr(0xffffffff81002000), 'T');
    fake.Symbol("_etext", VirtAddr(0xffffffff81003000), 'T');
  }
  Result<unwind::Stack> Unwind() {
    const Kernel& kernel = fake.Open();
    Result<walk::Task> read = ReadTask(kernel, task);
    EXPECT_TRUE(read);
    return UnwindBlockedTask(kernel, *read);
  }

  std::vector<unwind::Start> asked;
  VirtAddr stack, task;
};

TEST_F(BlockedTask, StartsBehindItsSwitchFrame) {
  ASSERT_TRUE(Unwind());
  ASSERT_EQ(asked.size(), 1u);
  const arch::Arch& arch = **arch::FindArch(62, 8, Endian::kLittle);
  EXPECT_EQ(asked[0].registers.Get(arch, "rip"), 0xffffffff81001020);
  EXPECT_EQ(asked[0].registers.Get(arch, "rbp"), 0x1234u);
  EXPECT_EQ(asked[0].registers.Get(arch, "rsp"), (stack + 0x3000 + 56).value);
  EXPECT_FALSE(asked[0].exact);
}

TEST_F(BlockedTask, TaskThatNeverRanStandsExactlyAtRetFromFork) {
  fake.Set(stack + 0x3000, "inactive_task_frame", "ret_addr", 0xffffffff81002000);
  ASSERT_TRUE(Unwind());
  EXPECT_TRUE(asked[0].exact);
}

TEST_F(BlockedTask, RunningTaskIsRefused) {
  fake.Set(task, "task_struct", "on_cpu", 1);
  Result<unwind::Stack> result = Unwind();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(BlockedTask, DeadTaskHasNoStack) {
  fake.Set(task, "task_struct", "stack", 0);
  Result<unwind::Stack> result = Unwind();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kNotFound);
}

TEST_F(BlockedTask, StackPointerOutsideItsStackIsCorrupt) {
  fake.SetPointer(task, "task_struct", "thread.sp", stack - 8);
  Result<unwind::Stack> result = Unwind();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(result.error().ToString(), HasSubstr("sleeper (5)"));
}

TEST_F(BlockedTask, WithoutUnwinderItIsUnsupported) {
  fake.unwinder.reset();
  EXPECT_EQ(Unwind().error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::walk
