// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/device_target.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hmem/base/fd.h"
#include "tests/fakes/fake_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using makers::TempFile;

TEST(OpenDevice, RefusesWhatIsNoDevice) {
  TempFile file("a file");
  EXPECT_FALSE(OpenDevice(file.path(), Overwrite::kAnything, 0));
  EXPECT_FALSE(OpenDevice(file.path() + ".none", Overwrite::kAnything, 0));
}

// What may be written over an image of a device with this at its start.
class MayWriteOverTest : public testing::Test {
 protected:
  Status Try(Overwrite allowed) {
    TempFile file{std::span<const std::byte>(image_)};
    UniqueFd fd = OpenFile(file.path(), O_RDONLY).value();
    return MayWriteOver(fd.get(), file.path(), allowed);
  }
  std::string Refusal(Overwrite allowed) {
    Status status = Try(allowed);
    EXPECT_FALSE(status);
    if (status) return {};
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
    return status.error().ToString();
  }

  std::vector<std::byte> image_ = std::vector<std::byte>(8 << 20);
};

TEST_F(MayWriteOverTest, ABlankDeviceAlways) { EXPECT_TRUE(Try(Overwrite::kNothing)); }

TEST_F(MayWriteOverTest, AnOlderDumpWhenADumpMayGo) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  auto dump = makers::HmemBytes(machine);
  std::copy(dump.begin(), dump.end(), image_.begin());
  EXPECT_THAT(Refusal(Overwrite::kNothing),
              testing::HasSubstr("holds an .hmem dump; --overwrite-dump writes over it"));
  EXPECT_TRUE(Try(Overwrite::kDump));
  EXPECT_TRUE(Try(Overwrite::kAnything));
}

TEST_F(MayWriteOverTest, AFileSystemOnlyWhenAnythingMayGo) {
  image_[0x438] = std::byte{0x53};  // ext2
  image_[0x439] = std::byte{0xef};
  for (Overwrite allowed : {Overwrite::kNothing, Overwrite::kDump})
    EXPECT_THAT(Refusal(allowed), testing::HasSubstr("ext2; --overwrite-device writes over it"));
  EXPECT_TRUE(Try(Overwrite::kAnything));
}

TEST_F(MayWriteOverTest, AFileSystemBehindTheStartOfADumpIsNoDump) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  auto dump = makers::HmemBytes(machine);
  std::copy_n(dump.begin(), 1024, image_.begin());
  image_[0x438] = std::byte{0x53};
  image_[0x439] = std::byte{0xef};
  EXPECT_THAT(Refusal(Overwrite::kDump), testing::HasSubstr("--overwrite-device"));
}

TEST_F(MayWriteOverTest, UnknownDataOnlyWhenAnythingMayGo) {
  image_[5000] = std::byte{1};
  EXPECT_THAT(Refusal(Overwrite::kDump), testing::HasSubstr("data of an unknown kind"));
  EXPECT_TRUE(Try(Overwrite::kAnything));
}

TEST(SyncDevice, NamesWhatCannotBeOpened) {
  TempFile file("a file");
  EXPECT_TRUE(SyncDevice(file.path()));
  auto status = SyncDevice(file.path() + ".none");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().errno_value(), ENOENT);
}

// A sink that writes over a device with older content, and notes how low it writes.
class DeviceSink final : public DumpSink {
 public:
  DeviceSink(std::vector<std::byte>& device, uint64_t offset)
      : device_(device), offset_(offset), lowest_(offset) {}

  const std::string& name() const override { return name_; }
  Status Append(std::span<const std::byte> bytes) override {
    lowest_ = std::min(lowest_, offset_);
    if (device_.size() < offset_ + bytes.size()) device_.resize(offset_ + bytes.size());
    std::copy(bytes.begin(), bytes.end(), device_.begin() + static_cast<ptrdiff_t>(offset_));
    offset_ += bytes.size();
    return {};
  }
  Status Reserve(uint64_t) override { return {}; }
  Status Sync() override { return {}; }
  uint64_t lowest() const { return lowest_; }

 private:
  std::vector<std::byte>& device_;
  uint64_t offset_, lowest_;
  std::string name_ = "device";
};

class BegunStreamTest : public testing::Test {
 protected:
  BegunStreamTest() { makers::FillMachine(machine_); }

  // What a record stage leaves.
  std::vector<std::byte> RecordStage(size_t record_bytes, std::vector<std::byte> device = {},
                                     format::DumpId id = {std::byte{5}}) {
    DeviceSink sink(device, 0);
    HmemWriter writer(sink, {.dump_id = id});
    std::vector<std::byte> record(record_bytes, std::byte{'r'});
    EXPECT_TRUE(writer.AppendHeader(MakeDumpHeader(machine_, options_)));
    if (record_bytes != 0) {
      EXPECT_TRUE(writer.AppendFirstFailure(record));
    }
    EXPECT_TRUE(writer.Flush());
    return device;
  }
  // The dump stage behind it; returns the lowest offset it wrote to.
  uint64_t DumpStage(const BegunStream& begun, std::vector<std::byte>& device) {
    DeviceSink sink(device, begun.position.offset);
    HmemWriter writer(
        sink, {.dump_id = begun.dump_id, .attempt = begun.next_attempt, .start = begun.position});
    Findings findings;
    EXPECT_TRUE(makers::CaptureWhole(machine_, writer, options_, findings));
    return sink.lowest();
  }
  std::optional<BegunStream> Find(const std::vector<std::byte>& device) {
    TempFile file{std::span<const std::byte>(device)};
    auto found = FindBegunStream(file.path());
    EXPECT_TRUE(found) << found.error().ToString();
    return found ? *std::move(found) : std::nullopt;
  }

  fakes::FakeSource machine_;
  CaptureOptions options_{.codec = *codec::FindCodec("lz4")};
};

TEST_F(BegunStreamTest, IsFoundBehindItsChunk) {
  auto device = RecordStage(1000);
  auto begun = Find(device);
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->dump_id[0], std::byte{5});
  EXPECT_EQ(begun->record, std::vector<std::byte>(1000, std::byte{'r'}));
  EXPECT_EQ(begun->header.page_bytes(), 4096u);
  EXPECT_EQ(begun->position.offset, device.size());
  EXPECT_EQ(begun->next_attempt, 2);
}

TEST_F(BegunStreamTest, GoingOnNeverWritesBelowTheRecordsBlock) {
  for (size_t bytes = 1; bytes <= 5000; bytes += 63) {
    auto device = RecordStage(bytes);
    auto record_stage = device;
    auto begun = Find(device);
    ASSERT_TRUE(begun) << bytes;
    ASSERT_EQ(begun->position.offset % format::kFlushAlign, 0u) << bytes;
    EXPECT_EQ(DumpStage(*begun, device), record_stage.size());
    EXPECT_TRUE(std::equal(record_stage.begin(), record_stage.end(), device.begin()));
  }
}

TEST_F(BegunStreamTest, EachAttemptIsHigherThanTheOneBefore) {
  auto device = RecordStage(1000);
  for (uint16_t attempt = 2; attempt <= 4; ++attempt) {
    auto begun = Find(device);
    ASSERT_TRUE(begun);
    EXPECT_EQ(begun->next_attempt, attempt);
    DumpStage(*begun, device);
  }
  TempFile file{std::span<const std::byte>(device)};
  auto dump = source::Open(file.path());
  ASSERT_TRUE(dump);
  EXPECT_TRUE((*dump)->complete());
  EXPECT_EQ((*dump)->first_failure().size(), 1000u);
}

TEST_F(BegunStreamTest, HasEndOnlyWhenTheLastAttemptCameToIt) {
  auto has_end = [](const std::vector<std::byte>& device, const format::DumpId& id) {
    TempFile file{std::span<const std::byte>(device)};
    return HasEnd(file.path(), id).value();
  };
  auto device = RecordStage(1000);
  auto begun = Find(device);
  ASSERT_TRUE(begun);
  EXPECT_FALSE(has_end(device, begun->dump_id));
  auto record_stage = device;
  DumpStage(*begun, device);
  EXPECT_TRUE(has_end(device, begun->dump_id));
  EXPECT_FALSE(has_end(device, format::DumpId{std::byte{9}}));
  // A second attempt began over the first, whose END lies further on, and was cut.
  begun = Find(device);
  auto second = device;
  DumpStage(*begun, second);
  auto frames = makers::FramesOf(second);
  uint64_t cut = frames[frames.size() / 2].offset;
  std::copy_n(second.begin(), cut, device.begin());
  EXPECT_FALSE(has_end(device, begun->dump_id));
}

TEST_F(BegunStreamTest, AnEmptyOrForeignDeviceHasNone) {
  EXPECT_FALSE(Find(std::vector<std::byte>(1 << 20)));
  std::vector<std::byte> foreign(1 << 20);
  foreign[0x438] = std::byte{0x53};  // ext4
  foreign[0x439] = std::byte{0xef};
  EXPECT_FALSE(Find(foreign));
}

TEST_F(BegunStreamTest, WithoutRecordIsNone) { EXPECT_FALSE(Find(RecordStage(0))); }

TEST_F(BegunStreamTest, CutAnywhereIsNone) {
  auto device = RecordStage(1000);
  for (const makers::FrameSpan& frame : makers::FramesOf(device)) {
    auto cut = device;
    std::fill(cut.begin() + static_cast<ptrdiff_t>(frame.offset), cut.end(), std::byte{0});
    EXPECT_FALSE(Find(cut)) << frame.offset;
  }
}

TEST_F(BegunStreamTest, DamagedAnywhereIsNone) {
  auto device = RecordStage(1000);
  for (const makers::FrameSpan& frame : makers::FramesOf(device)) {
    for (uint64_t at : {frame.offset + 9, frame.offset + 64}) {
      auto damaged = device;
      damaged[at] ^= std::byte{1};
      EXPECT_FALSE(Find(damaged)) << at;
    }
  }
}

// The record stage of this crash got no further than HEADER, over an older, whole stream.
TEST_F(BegunStreamTest, HalfOverAnOlderStreamIsNone) {
  auto older = RecordStage(3000, {}, {std::byte{7}});
  auto newer = RecordStage(3000);
  auto frames = makers::FramesOf(newer);
  std::copy_n(newer.begin(), frames[1].offset, older.begin());
  EXPECT_FALSE(Find(older));
}

}  // namespace
}  // namespace hmem::capture
