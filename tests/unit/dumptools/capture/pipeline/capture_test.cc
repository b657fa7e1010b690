// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/capture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/fakes/fake_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

TEST(Capture, WorkersMakeTheSameStreamAsOne) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  auto one = makers::HmemBytes(machine);
  EXPECT_EQ(makers::HmemBytes(machine, {.jobs = 0}), one);
  EXPECT_EQ(makers::HmemBytes(machine, {.jobs = 2}), one);
  EXPECT_EQ(makers::HmemBytes(machine, {.jobs = 5}), one);
}

TEST(Capture, WorkersMayShareADumpAsTheirSource) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  makers::TempFile file{std::span<const std::byte>(makers::HmemBytes(machine))};
  auto one = source::Open(file.path());
  auto many = source::Open(file.path());
  ASSERT_TRUE(one && many);
  EXPECT_EQ(makers::HmemBytes(**many, {.jobs = 4}), makers::HmemBytes(**one));
}

// Memory for so many batches of two pieces each, and no more.
TakeMemory ForBatches(double batches) {
  return [left = static_cast<int>(2 * batches)](size_t bytes) mutable -> Result<AnonymousMemory> {
    if (left-- <= 0) return Fail(ErrorCode::kLimit, "none left");
    return AnonymousMemory::Take(bytes);
  };
}

TEST(Capture, WithoutMemoryForItsWorkersItMakesTheSameStreamWithFewer) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  const auto whole = makers::HmemBytes(machine);
  for (auto [batches, workers, had] : {std::tuple(20.0, 5u, 12u),
                                       {11.0, 5u, 11u},
                                       {10.0, 5u, 10u},
                                       {7.5, 3u, 7u},
                                       {4.0, 2u, 4u},
                                       {3.0, 1u, 3u},
                                       {1.5, 0u, 1u}}) {
    fakes::FakeSink sink;
    Findings findings;
    auto outcome =
        makers::MakeHmem(machine, {.jobs = 5, .take_memory = ForBatches(batches)}, sink, findings);
    ASSERT_TRUE(outcome) << batches;
    EXPECT_EQ(outcome->memory.workers, workers);
    EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_COMPLETE);
    EXPECT_EQ(outcome->memory.batch_bytes, had * PageBatch::MemoryBytes(4096, true));
    EXPECT_LE(outcome->memory.locked_bytes, outcome->memory.batch_bytes);
    if (workers == 5) {
      EXPECT_EQ(sink.bytes, whole);
      continue;
    }
    ASSERT_EQ(findings.all().size(), 1u);
    EXPECT_EQ(findings.all()[0].text,
              fmt::format("no memory to be had for 5 workers: {} instead", workers));
    EXPECT_FALSE(findings.HasLosses());
  }
}

TEST(Capture, WithoutMemoryForPackingItStoresPagesAsTheyAre) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  fakes::FakeSink sink;
  Findings findings;
  auto take = [pieces = 0](size_t bytes) mutable -> Result<AnonymousMemory> {
    if (++pieces == 2) return Fail(ErrorCode::kLimit, "none left");
    return AnonymousMemory::Take(bytes);
  };
  auto outcome = makers::MakeHmem(machine, {.jobs = 2, .take_memory = take}, sink, findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->memory.workers, 0u);
  EXPECT_GT(sink.bytes.size(), outcome->counts.kept * 4096);
  makers::TempFile file{std::span<const std::byte>(sink.bytes)};
  auto dump = source::Open(file.path());
  ASSERT_TRUE(dump) << dump.error().ToString();
  Findings wrong;
  ASSERT_TRUE((*dump)->Verify(wrong));
  EXPECT_FALSE(wrong.HasLosses());
  std::vector<std::byte> expected(4096), found(4096);
  for (uint64_t pfn = 0x100; pfn < 0x300; ++pfn) {
    ASSERT_TRUE(machine.Read(PhysAddr(pfn * 4096), expected));
    ASSERT_TRUE((*dump)->Read(PhysAddr(pfn * 4096), found));
    ASSERT_EQ(found, expected) << pfn;
  }
}

TEST(Capture, WithoutMemoryForOneBatchItFails) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = makers::MakeHmem(machine, {.take_memory = ForBatches(0)}, sink, findings);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::kLimit);
}

TEST(Capture, CountsEveryPageOnce) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  machine.memory.Fail({PhysAddr(0x101000), PhysAddr(0x102000)}, Error::FromErrno("memory", EIO));
  machine.memory.Fail({PhysAddr(0x102000), PhysAddr(0x104000)}, ErrorCode::kExcluded);
  machine.memory.Fail({PhysAddr(0x1100000), PhysAddr(0x1180000)}, ErrorCode::kTruncated);
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = makers::MakeHmem(machine, {}, sink, findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->counts.unreadable, 1u);
  EXPECT_EQ(outcome->counts.excluded, 2u);
  EXPECT_EQ(outcome->counts.missing, 0x80u);
  EXPECT_EQ(outcome->counts.all(), outcome->ram_pages);
  EXPECT_EQ(outcome->ram_pages, 0x200u + 0x180u);
  EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_SOURCE_CUT);
  EXPECT_TRUE(findings.HasLosses());
}

TEST(Capture, MakesDurableWhatItHasAndEveryPieceOpens) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  fakes::FakeSink sink;
  HmemWriter writer(sink, {});
  CaptureOptions options{.codec = *codec::FindCodec("lz4"),
                         .pipeline = {.flush_every = std::chrono::steady_clock::duration::zero()}};
  Findings findings;
  ASSERT_TRUE(writer.AppendHeader(MakeDumpHeader(machine, options)));
  auto outcome = makers::CaptureWhole(machine, writer, options, findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_COMPLETE);
  ASSERT_GT(sink.synced.size(), 4u);  // two would be those of the end
  for (uint64_t length : sink.synced) {
    makers::TempFile file(std::span(sink.bytes).first(length));
    auto dump = source::Open(file.path());
    ASSERT_TRUE(dump) << dump.error().ToString();
    Findings told;
    ASSERT_TRUE((*dump)->Verify(told));
    EXPECT_EQ((*dump)->complete(), length == sink.bytes.size());
    EXPECT_EQ(told.HasLosses(), length != sink.bytes.size());
  }
}

TEST(Capture, KeepsZeroPagesWhenAsked) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = makers::MakeHmem(machine, {.keep_zero = true}, sink, findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->counts.zero, 0u);
  EXPECT_EQ(outcome->counts.kept, outcome->ram_pages);
}

TEST(Capture, APastDeadlineEndsTheStreamCleanly) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  fakes::FakeSink sink;
  HmemWriter writer(sink, {});
  CaptureOptions options{.codec = *codec::FindCodec("lz4"),
                         .pipeline = {.deadline = std::chrono::steady_clock::now()}};
  Findings findings;
  ASSERT_TRUE(writer.AppendHeader(MakeDumpHeader(machine, options)));
  auto outcome = makers::CaptureWhole(machine, writer, options, findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_DEADLINE);
  EXPECT_EQ(outcome->counts.missing, outcome->ram_pages);
  EXPECT_EQ(makers::FramesOf(sink.bytes).back().header.type, format::FrameType::kPad);
}

v1::DumpEnd EndOf(const std::vector<std::byte>& stream) {
  v1::DumpEnd end;
  for (const makers::FrameSpan& frame : makers::FramesOf(stream)) {
    if (frame.header.type != format::FrameType::kEnd) continue;
    EXPECT_TRUE(end.ParseFromArray(stream.data() + frame.offset + format::kFrameHeaderBytes,
                                   static_cast<int>(frame.header.stored_bytes)));
  }
  return end;
}

TEST(Capture, OnlyWhatLacksNothingIsComplete) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  EXPECT_EQ(EndOf(makers::HmemBytes(machine)).reason(), v1::DumpEnd::REASON_COMPLETE);
  machine.memory.Fail({PhysAddr(0x1100000), PhysAddr(0x1180000)}, ErrorCode::kTruncated);
  v1::DumpEnd end = EndOf(makers::HmemBytes(machine));
  EXPECT_EQ(end.reason(), v1::DumpEnd::REASON_SOURCE_CUT);
  EXPECT_EQ(end.pages_not_reached(), 0x80u);
}

// Takes its time over every write, and longer to make all of it durable. Time goes by nowhere else.
class SlowSink final : public DumpSink {
 public:
  const std::string& name() const override { return inner_.name(); }
  Status Append(std::span<const std::byte> bytes) override {
    if (++appends == stop_at) stop = true;
    now += append_time;
    return inner_.Append(bytes);
  }
  Status Reserve(uint64_t) override { return {}; }
  Status Sync() override {
    now += sync_time;
    return {};
  }
  const std::vector<std::byte>& bytes() const { return inner_.bytes; }

  std::chrono::milliseconds append_time{0}, sync_time{0};
  std::chrono::steady_clock::time_point now;
  int appends = 0, stop_at = -1;
  std::atomic<bool> stop = false;

 private:
  fakes::FakeSink inner_;
};

// MiBs of pages that do not pack.
void FillWithNoise(fakes::FakeSource& machine, uint64_t mib) {
  std::mt19937_64 random(1);
  for (uint64_t at = 0; at < mib << 20; at += 4096) {
    std::vector<uint64_t> page(512);
    for (uint64_t& word : page) word = random();
    machine.memory.Write(PhysAddr(at), std::as_bytes(std::span(page)));
  }
}

TEST(Capture, WhenStoppedWritesTheBatchesInHandAndNoMore) {
  fakes::FakeSource machine;
  FillWithNoise(machine, 16);
  for (unsigned jobs : {1u, 2u}) {
    SlowSink sink;
    sink.stop_at = 3;
    HmemWriter writer(sink, {});
    CaptureOptions options{.codec = *codec::FindCodec("none"),
                           .pipeline = {.jobs = jobs, .stop = &sink.stop}};
    Findings findings;
    ASSERT_TRUE(writer.AppendHeader(MakeDumpHeader(machine, options)));
    auto outcome = makers::CaptureWhole(machine, writer, options, findings);
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_DEADLINE);
    uint64_t batches = outcome->counts.kept / 256;
    EXPECT_GE(batches, 3u);
    EXPECT_LE(batches, 3u + BatchSet::CountFor(jobs, BatchSet::kMostSpare)) << jobs;
    v1::DumpEnd end = EndOf(sink.bytes());
    EXPECT_EQ(end.reason(), v1::DumpEnd::REASON_DEADLINE);
    EXPECT_EQ(end.pages_kept(), outcome->counts.kept);
    EXPECT_EQ(end.raw_bytes(), outcome->counts.kept * 4096);
    EXPECT_EQ(end.pages_not_reached(), 4096 - outcome->counts.kept);
  }
}

TEST(Capture, EndIsDurableBeforeTheDeadlineOfASlowTarget) {
  fakes::FakeSource machine;
  FillWithNoise(machine, 64);
  for (unsigned jobs : {1u, 2u}) {
    SlowSink sink;
    sink.append_time = std::chrono::milliseconds(60);
    sink.sync_time = std::chrono::milliseconds(150);
    HmemWriter writer(sink, {});
    const auto deadline = sink.now + std::chrono::milliseconds(1800);
    CaptureOptions options{
        .codec = *codec::FindCodec("none"),
        .pipeline = {.jobs = jobs, .deadline = deadline, .now = [&sink] { return sink.now; }}};
    Findings findings;
    ASSERT_TRUE(writer.AppendHeader(MakeDumpHeader(machine, options)));
    auto outcome = makers::CaptureWhole(machine, writer, options, findings);
    EXPECT_LE(sink.now, deadline) << jobs;
    EXPECT_GT(sink.now, deadline - std::chrono::milliseconds(900)) << jobs;
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_DEADLINE);
    EXPECT_GT(outcome->counts.kept, 0u);
    EXPECT_EQ(EndOf(sink.bytes()).pages_kept(), outcome->counts.kept);
  }
}

TEST(Capture, LargePagesFitAFrame) {
  fakes::FakeSource machine(Endian::kLittle, 8, 65536);
  machine.memory.AddZero({PhysAddr(0), PhysAddr(0x400000)});
  for (uint64_t at = 0; at < 0x400000; at += 4096) machine.memory.PutU64(PhysAddr(at), at + 1);
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = makers::MakeHmem(machine, {}, sink, findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->counts.kept, 64u);
}

// A page at a time, 2^36 pages would take days.
TEST(Capture, StepsOverAHugeMissingStretch) {
  constexpr uint64_t kMemory = uint64_t{1} << 48;
  auto core = makers::ElfMaker()
                  .Load(PhysAddr(0x1000), makers::Pattern(1), VirtAddr(0), kMemory)
                  .Load(PhysAddr(kMemory + 0x1000), makers::Pattern(2))
                  .Make();
  makers::TempFile file{std::span<const std::byte>(core)};
  auto source = source::Open(file.path());
  ASSERT_TRUE(source) << source.error().ToString();
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = makers::MakeHmem(**source, {}, sink, findings);
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_EQ(outcome->counts.kept, 2u);
  EXPECT_EQ(outcome->counts.excluded, kMemory / 4096 - 1);
  EXPECT_EQ(outcome->counts.all(), outcome->ram_pages);
  makers::TempFile written{std::span<const std::byte>(sink.bytes)};
  auto dump = source::Open(written.path());
  ASSERT_TRUE(dump) << dump.error().ToString();
  EXPECT_TRUE((*dump)->complete());
  EXPECT_EQ((*dump)->FateOf(Pfn(kMemory / 4096)), source::PageFate::kExcluded);
  EXPECT_EQ((*dump)->FateOf(Pfn(kMemory / 4096 + 1)), source::PageFate::kPresent);
}

TEST(Capture, StepsOverAHugeStretchThatASourceDoesNotReach) {
  fakes::FakeSink header_only;
  HmemWriter writer(header_only, {});
  fakes::FakeSource machine;
  v1::DumpHeader header = MakeDumpHeader(machine, {.codec = *codec::FindCodec("none")});
  header.clear_ram();
  header.add_ram()->set_end(~uint64_t{0} - 4095);
  ASSERT_TRUE(writer.AppendHeader(header));
  ASSERT_TRUE(writer.Flush());
  makers::TempFile file{std::span<const std::byte>(header_only.bytes)};
  auto source = source::Open(file.path());
  ASSERT_TRUE(source) << source.error().ToString();
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = makers::MakeHmem(**source, {}, sink, findings);
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_EQ(outcome->counts.missing, outcome->ram_pages);
}

TEST(Capture, AFindingThatIsNoTextLeavesTheEndReadable) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  machine.finding_list.Add(Severity::kInfo, "a.b", "va\xff", "text \xff");
  makers::TempFile file{std::span<const std::byte>(makers::HmemBytes(machine))};
  auto dump = source::Open(file.path());
  ASSERT_TRUE(dump) << dump.error().ToString();
  EXPECT_TRUE((*dump)->complete());
  ASSERT_EQ((*dump)->findings().all().size(), 1u);
  EXPECT_EQ((*dump)->findings().all()[0].text, "text \\xff");
}

}  // namespace
}  // namespace hmem::capture
