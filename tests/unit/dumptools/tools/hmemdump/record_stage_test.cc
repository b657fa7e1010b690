// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/record_stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dumptools/firstfailure/record_builder.h"
#include "dumptools/firstfailure/record_store.h"
#include "tests/fakes/fake_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/temp_file.h"

namespace hmem::dump {
namespace {

struct Crash {
  std::string release = "6.1.0-made";
  int64_t time_s = 1700000000;
  uint64_t kaslr_offset = 0x1e000000;
};

fakes::FakeSource SourceOf(const Crash& crash) {
  fakes::FakeSource source;
  source.AddVmcoreinfo(fmt::format("OSRELEASE={}\nPAGESIZE=4096\nCRASHTIME={}\nKERNELOFFSET={:x}\n",
                                   crash.release, crash.time_s, crash.kaslr_offset));
  source.memory.AddZero({PhysAddr(0x100000), PhysAddr(0x200000)});
  return source;
}

v1::FirstFailure RecordOf(const Crash& crash) {
  v1::FirstFailure record;
  record.set_schema_version(firstfailure::kSchemaVersion);
  record.set_whole(true);
  record.mutable_kernel()->set_release(crash.release);
  record.mutable_kernel()->set_kaslr_offset(crash.kaslr_offset);
  record.mutable_clock()->set_crash_time_s(crash.time_s);
  return record;
}

// A device on which a record stage began the stream of `crash`.
makers::TempFile DeviceOf(const Crash& crash) {
  std::string record = *firstfailure::SerializeRecord(RecordOf(crash));
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {.dump_id = {std::byte{5}}});
  capture::CaptureOptions options{.codec = *codec::FindCodec("lz4")};
  EXPECT_TRUE(writer.AppendHeader(capture::MakeDumpHeader(SourceOf(crash), options)));
  EXPECT_TRUE(writer.AppendFirstFailure(std::as_bytes(std::span(record))));
  EXPECT_TRUE(writer.Flush());
  return makers::TempFile(std::span<const std::byte>(sink.bytes));
}

const Crash kThis;
const Crash kOtherTime = {.time_s = 1600000000};
const Crash kOtherRelease = {.release = "6.1.1-made"};
const Crash kOtherOffset = {.kaslr_offset = 0x2e000000};

TEST(SameCrash, ComparesReleaseTimeAndOffset) {
  auto source = SourceOf(kThis);
  EXPECT_TRUE(SameCrash(RecordOf(kThis), source));
  EXPECT_FALSE(SameCrash(RecordOf(kOtherTime), source));
  EXPECT_FALSE(SameCrash(RecordOf(kOtherRelease), source));
  EXPECT_FALSE(SameCrash(RecordOf(kOtherOffset), source));
}

TEST(SameCrash, ASourceThatNamesNoCrashIsNoneOfThem) {
  EXPECT_FALSE(SameCrash(RecordOf(kThis), fakes::FakeSource()));
  EXPECT_FALSE(SameCrash(v1::FirstFailure(), SourceOf(kThis)));
}

TEST(FindOwnStream, GoesOnWithTheStreamOfThisCrash) {
  auto device = DeviceOf(kThis);
  auto begun = FindOwnStream(device.path(), SourceOf(kThis));
  ASSERT_TRUE(begun) << begun.error().ToString();
  ASSERT_TRUE(*begun);
  EXPECT_EQ((*begun)->dump_id[0], std::byte{5});
  EXPECT_EQ((*begun)->next_attempt, 2);
}

// The record stage of this crash did not come to write: what is there is the last crash's.
TEST(FindOwnStream, LeavesTheStreamOfAnEarlierCrash) {
  for (const Crash& older : {kOtherTime, kOtherRelease, kOtherOffset}) {
    auto device = DeviceOf(older);
    auto begun = FindOwnStream(device.path(), SourceOf(kThis));
    ASSERT_TRUE(begun);
    EXPECT_FALSE(*begun);
  }
}

TEST(FindOwnStream, LeavesAStreamWhoseRecordDoesNotParse) {
  fakes::FakeSource source = SourceOf(kThis);
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  capture::CaptureOptions options{.codec = *codec::FindCodec("lz4")};
  ASSERT_TRUE(writer.AppendHeader(capture::MakeDumpHeader(source, options)));
  ASSERT_TRUE(writer.AppendFirstFailure(std::vector<std::byte>(100, std::byte{0xff})));
  ASSERT_TRUE(writer.Flush());
  makers::TempFile device{std::span<const std::byte>(sink.bytes)};
  auto begun = FindOwnStream(device.path(), source);
  ASSERT_TRUE(begun);
  EXPECT_FALSE(*begun);
}

TEST(FindOwnStream, ADeviceThatCannotBeReadIsAnError) {
  makers::TempDir dir;
  EXPECT_FALSE(FindOwnStream(dir.File("none"), SourceOf(kThis)));
}

}  // namespace
}  // namespace hmem::dump
