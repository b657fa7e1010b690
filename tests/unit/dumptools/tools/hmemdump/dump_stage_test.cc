// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/dump_stage.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dumptools/firstfailure/record_builder.h"
#include "dumptools/firstfailure/record_store.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/temp_file.h"

namespace hmem::dump {
namespace {

class DumpStage : public testing::Test {
 protected:
  DumpStage() { makers::FillMachine(machine_); }

  Result<DumpResult> Dump(Options options) {
    Target target{.kind = TargetKind::kDirectory,
                  .path = dir_.path(),
                  .dump_path = dir_.File("dump.hmem"),
                  .record_path = dir_.File("first-failure.pb")};
    options.progress = Progress::kNone;
    return RunDumpStage(machine_, options, target, std::chrono::steady_clock::now(), stop_,
                        findings_);
  }

  fakes::FakeSource machine_;
  makers::TempDir dir_;
  std::atomic<bool> stop_ = false;
  Findings findings_;
};

TEST_F(DumpStage, WithoutRecordOpensAndIsComplete) {
  auto result = Dump({.no_record = true});
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_TRUE(findings_.HasLosses());
  auto dump = source::Open(result->path);
  ASSERT_TRUE(dump) << dump.error().ToString();
  EXPECT_TRUE((*dump)->first_failure().empty());
  EXPECT_TRUE((*dump)->complete());
  Findings wrong;
  ASSERT_TRUE((*dump)->Verify(wrong));
  EXPECT_FALSE(wrong.HasLosses());
}

// The image of a device with a stream of this crash; `with_end`: all of it.
makers::TempFile DeviceOf(fakes::FakeSource& machine, bool with_end) {
  v1::FirstFailure message;
  message.set_schema_version(firstfailure::kSchemaVersion);
  message.set_whole(true);
  message.mutable_kernel()->set_release("6.1.0-made");
  message.mutable_clock()->set_crash_time_s(1700000000);
  std::string record = *firstfailure::SerializeRecord(message);
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {.dump_id = {std::byte{5}}});
  capture::CaptureOptions options{.codec = *codec::FindCodec("lz4")};
  EXPECT_TRUE(writer.AppendHeader(capture::MakeDumpHeader(machine, options)));
  EXPECT_TRUE(writer.AppendFirstFailure(std::as_bytes(std::span(record))));
  EXPECT_TRUE(writer.Flush());
  Findings findings;
  if (with_end) {
    EXPECT_TRUE(makers::CaptureWhole(machine, writer, options, findings));
  }
  return makers::TempFile(std::span<const std::byte>(sink.bytes));
}

class DeviceStage : public DumpStage {
 protected:
  DeviceStage() {
    machine_.note_list.clear();
    machine_.AddVmcoreinfo(
        "OSRELEASE=6.1.0-made\nPAGESIZE=4096\nCRASHTIME=1700000000\nKERNELOFFSET=0\n");
  }

  // An image is not a device, so what may be written to fails there and not before.
  std::string Refusal(const makers::TempFile& image, Options options) {
    Target target{.kind = TargetKind::kDevice, .path = image.path(), .dump_path = image.path()};
    options.progress = Progress::kNone;
    auto result =
        RunDumpStage(machine_, options, target, std::chrono::steady_clock::now(), stop_, findings_);
    EXPECT_FALSE(result);
    return result ? "" : result.error().ToString();
  }
};

TEST_F(DeviceStage, AFinishedDumpOfThisCrashNeedsLeaveToo) {
  auto finished = DeviceOf(machine_, true);
  EXPECT_THAT(Refusal(finished, {}),
              testing::HasSubstr("holds a finished dump of this crash; --overwrite-dump"));
  EXPECT_THAT(Refusal(finished, {.overwrite_dump = true}), testing::HasSubstr("BLKGETSIZE64"));
  EXPECT_THAT(Refusal(finished, {.overwrite_device = true}), testing::HasSubstr("BLKGETSIZE64"));
}

TEST_F(DeviceStage, ABegunDumpOfThisCrashIsGoneOnWith) {
  auto begun = DeviceOf(machine_, false);
  EXPECT_THAT(Refusal(begun, {}), testing::HasSubstr("BLKGETSIZE64"));
}

TEST_F(DumpStage, ADryRunToNowhereMakesNoRecordAndMissesNone) {
  Target nowhere{.kind = TargetKind::kNowhere};
  auto result = RunDumpStage(machine_, {.dry_run = true, .progress = Progress::kNone}, nowhere,
                             std::chrono::steady_clock::now(), stop_, findings_);
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(result->outcome.reason, v1::DumpEnd::REASON_COMPLETE);
  EXPECT_GT(result->outcome.stream_bytes, 0u);
  EXPECT_EQ(result->path, "");
  EXPECT_EQ(result->record_path, "");
  EXPECT_FALSE(findings_.HasLosses());
}

TEST_F(DumpStage, AMemoryLimitIsObeyed) {
  auto result = Dump({.jobs = 4, .no_record = true, .memory_limit_bytes = 1});
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(result->memory.workers, 0u);
  EXPECT_EQ(result->outcome.memory.workers, 0u);
  EXPECT_FALSE(result->memory.compress);
  EXPECT_EQ(result->outcome.memory.batch_bytes, capture::PageBatch::MemoryBytes(4096, false));
  EXPECT_GT(result->outcome.stream_bytes, result->outcome.counts.kept * 4096);
}

TEST(IsSource, IsWhatCannotBeWrittenTo) {
  makers::TempDir dir;
  EXPECT_TRUE(IsSource(dir.WriteText("file", "text")));
  EXPECT_TRUE(IsSource("/dev/null"));
  EXPECT_FALSE(IsSource(dir.path()));
  EXPECT_FALSE(IsSource(dir.File("none")));
}

TEST(DumpPathInRecord, IsTheNameBesideTheRecord) {
  makers::TempDir dir;
  auto in = [&](const std::string& destination, bool record_only) {
    return DumpPathInRecord(ResolveTarget(destination, "dump.hmem", record_only).value());
  };
  EXPECT_EQ(in(dir.path(), false), "dump.hmem");
  EXPECT_EQ(in(dir.path(), true), "dump.hmem");
  EXPECT_EQ(in(dir.File("first-failure.pb"), true), "dump.hmem");
  EXPECT_EQ(in(dir.File("other.pb"), true), "");
  EXPECT_EQ(in(dir.File("vm.hmem"), false), "vm.hmem");
  EXPECT_EQ(in("-", false), "");
  EXPECT_EQ(DumpPathInRecord({.kind = TargetKind::kDevice, .path = "/dev/vdb"}), "/dev/vdb");
}

}  // namespace
}  // namespace hmem::dump
