// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/hmem_writer.h"

#include <gtest/gtest.h>

#include "hmem/source/memory_source.h"
#include "tests/fakes/fake_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using format::FrameType;

class HmemWriterTest : public testing::Test {
 protected:
  HmemWriterTest() { makers::FillMachine(machine_); }

  void Run(const makers::HmemMaking& making = {}) {
    outcome_ = makers::MakeHmem(machine_, making, sink_, findings_);
  }
  Result<std::unique_ptr<source::MemorySource>> Opened() {
    file_.emplace(std::span<const std::byte>(sink_.bytes));
    return source::Open(file_->path());
  }

  fakes::FakeSource machine_;
  fakes::FakeSink sink_;
  Findings findings_;
  Result<CaptureOutcome> outcome_ = CaptureOutcome{};
  std::optional<makers::TempFile> file_;
};

TEST_F(HmemWriterTest, RecordIsDurableInAClosedAlignedChunkBeforeAnyPage) {
  Run();
  ASSERT_GE(sink_.synced.size(), 3u);
  uint64_t first_sync = sink_.synced[0];
  EXPECT_EQ(first_sync % format::kFlushAlign, 0u);
  auto frames = makers::FramesOf(std::span(sink_.bytes).first(first_sync));
  ASSERT_EQ(frames.size(), 4u);
  EXPECT_EQ(frames[0].header.type, FrameType::kHeader);
  EXPECT_EQ(frames[1].header.type, FrameType::kFirstFailure);
  EXPECT_EQ(frames[2].header.type, FrameType::kPad);
  EXPECT_EQ(frames[3].header.type, FrameType::kChunk);
}

TEST_F(HmemWriterTest, EverythingIsDurableBeforeEndIsWritten) {
  Run();
  auto frames = makers::FramesOf(sink_.bytes);
  auto end = std::find_if(frames.begin(), frames.end(),
                          [](const auto& f) { return f.header.type == FrameType::kEnd; });
  ASSERT_NE(end, frames.end());
  ASSERT_GE(sink_.synced.size(), 2u);
  EXPECT_EQ(sink_.synced[sink_.synced.size() - 2], end->offset);
  EXPECT_EQ(sink_.synced.back(), sink_.bytes.size());
  EXPECT_EQ(sink_.bytes.size() % format::kFlushAlign, 0u);
}

TEST_F(HmemWriterTest, EveryFrameIsAligned) {
  Run({.codec = "zstd"});
  uint64_t at = 0;
  for (const auto& frame : makers::FramesOf(sink_.bytes)) {
    EXPECT_EQ(frame.offset % format::kFrameAlign, 0u);
    at = frame.offset + frame.header.total_bytes();
  }
  EXPECT_EQ(at, sink_.bytes.size());
}

// Whatever lies in the buffer before it: all of the payload is there, in its place.
TEST_F(HmemWriterTest, ALargePayloadIsStoredBehindWhatWasGathered) {
  for (size_t bytes : {200u << 10, (1u << 20) + 77, 2u << 20}) {
    for (size_t before : {0u, 100u, 5000u, 100'000u}) {
      sink_ = {};
      HmemWriter writer(sink_, {});
      std::vector<std::byte> small(before, std::byte{7}), large(bytes);
      for (size_t i = 0; i < bytes; ++i) large[i] = static_cast<std::byte>(i * 31 >> 3);
      ASSERT_TRUE(writer.AppendFirstFailure(small));
      ASSERT_TRUE(writer.AppendPages(5, 1, 4096, large, format::PayloadDigest(large)));
      ASSERT_TRUE(writer.AppendFirstFailure(small));
      ASSERT_TRUE(writer.Flush());
      auto frames = makers::FramesOf(sink_.bytes);
      ASSERT_GE(frames.size(), 3u);
      auto stored =
          std::span(sink_.bytes).subspan(frames[1].offset + format::kFrameHeaderBytes, bytes);
      EXPECT_TRUE(std::ranges::equal(stored, large)) << bytes << " behind " << before;
      EXPECT_EQ(frames[1].header.payload_xxh3, format::PayloadDigest(stored));
      EXPECT_EQ(frames[2].header.stored_bytes, before);
      EXPECT_EQ(writer.offset(), sink_.bytes.size());
    }
  }
}

// What a device takes is in whole blocks, but for the last piece of all.
TEST_F(HmemWriterTest, EveryWriteBeginsAtABlock) {
  Run({.codec = "none"});
  ASSERT_GE(sink_.appended.size(), 3u);
  for (uint64_t at : sink_.appended) EXPECT_EQ(at % format::kFlushAlign, 0u);
}

TEST_F(HmemWriterTest, AFullTargetEndsAsAValidShorterDump) {
  uint64_t whole = makers::HmemBytes(machine_).size();
  for (uint64_t capacity = 256 << 10; capacity < whole; capacity += 100 << 10) {
    sink_ = {};
    findings_ = {};
    sink_.capacity = capacity;
    Run();
    ASSERT_TRUE(outcome_) << outcome_.error().ToString();
    EXPECT_EQ(outcome_->reason, v1::DumpEnd::REASON_NO_SPACE) << capacity;
    EXPECT_FALSE(outcome_->write_error);
    EXPECT_LE(sink_.bytes.size(), capacity);
    auto dump = Opened();
    ASSERT_TRUE(dump) << dump.error().ToString();
    EXPECT_FALSE((*dump)->complete());
    Findings findings;
    ASSERT_TRUE((*dump)->Verify(findings));
    bool damage = std::any_of(findings.all().begin(), findings.all().end(), [](const Finding& f) {
      return f.severity == Severity::kError || f.id == "hmem.cut";
    });
    EXPECT_FALSE(damage);
    EXPECT_TRUE(findings.HasLosses());
  }
}

TEST_F(HmemWriterTest, AFullTargetThatPromisedOtherwiseStaysReadable) {
  sink_.capacity = 512 << 10;
  sink_.promises = false;
  Run();
  ASSERT_TRUE(outcome_);
  EXPECT_TRUE(outcome_->write_error);
  auto dump = Opened();
  ASSERT_TRUE(dump) << dump.error().ToString();
  EXPECT_FALSE((*dump)->complete());
}

TEST_F(HmemWriterTest, ABrokenTargetStaysReadableUpToThere) {
  sink_.breaks_at = 512 << 10;
  Run();
  ASSERT_TRUE(outcome_);
  EXPECT_EQ(outcome_->reason, v1::DumpEnd::REASON_WRITE_ERROR);
  ASSERT_TRUE(outcome_->write_error);
  EXPECT_EQ(outcome_->write_error->errno_value(), EIO);
  auto dump = Opened();
  ASSERT_TRUE(dump);
  EXPECT_FALSE((*dump)->complete());
}

TEST_F(HmemWriterTest, ATargetThatFailsAtOnceIsAnError) {
  sink_.breaks_at = 0;
  Run();
  ASSERT_FALSE(outcome_);
  EXPECT_EQ(outcome_.error().code(), ErrorCode::kIo);
}

TEST_F(HmemWriterTest, ALostSyncIsAWriteErrorAndNoEnd) {
  sink_.sync_fails = true;
  Run({.record = ""});
  EXPECT_FALSE(outcome_);
}

TEST_F(HmemWriterTest, MaxBytesIsNeverExceeded) {
  for (uint64_t limit : {uint64_t{300} << 10, uint64_t{500} << 10}) {
    sink_ = {};
    Run({.max_bytes = limit});
    ASSERT_TRUE(outcome_);
    EXPECT_EQ(outcome_->reason, v1::DumpEnd::REASON_MAX_BYTES);
    EXPECT_LE(sink_.bytes.size(), limit);
    EXPECT_TRUE(Opened());
  }
}

TEST_F(HmemWriterTest, RejectsPayloadLargerThanAFrame) {
  HmemWriter writer(sink_, {});
  std::vector<std::byte> record(format::kMaxPayloadBytes + 1);
  EXPECT_EQ(writer.AppendFirstFailure(record).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(sink_.bytes.empty());
}

TEST_F(HmemWriterTest, LongNotesAreSplitOverFrames) {
  machine_.AddNote("BIG", 7, std::vector<std::byte>(5 << 20, std::byte{3}));
  Run({.chunk_bytes_max = 16 << 20});
  auto dump = Opened();
  ASSERT_TRUE(dump);
  ASSERT_EQ((*dump)->notes().size(), 3u);
  EXPECT_EQ((*dump)->notes()[2].desc.size(), size_t{5} << 20);
}

// Records of every size around two flush blocks, and one to five frames: each way in which PAD and
// CHUNK can come to lie.
TEST_F(HmemWriterTest, EveryFlushEndsOnAFlushBlock) {
  for (int frames = 1; frames <= 5; ++frames) {
    for (size_t bytes = 1; bytes <= 2 * format::kFlushAlign; bytes += format::kFrameAlign - 1) {
      fakes::FakeSink sink;
      HmemWriter writer(sink, {});
      std::vector<std::byte> record(bytes, std::byte{1});
      for (int i = 0; i < frames; ++i) ASSERT_TRUE(writer.AppendFirstFailure(record));
      ASSERT_TRUE(writer.Flush());
      ASSERT_EQ(sink.bytes.size() % format::kFlushAlign, 0u) << frames << " of " << bytes;
      ASSERT_EQ(writer.position().offset, sink.bytes.size());
      auto made = makers::FramesOf(sink.bytes);
      ASSERT_EQ(made.back().header.type, FrameType::kChunk);
      ASSERT_EQ(made.back().offset + made.back().header.total_bytes(), sink.bytes.size());
    }
  }
}

TEST_F(HmemWriterTest, AFlushWithoutNewFramesWritesNothing) {
  HmemWriter writer(sink_, {});
  ASSERT_TRUE(writer.AppendHeader({}));
  ASSERT_TRUE(writer.Flush());
  uint64_t bytes = sink_.bytes.size();
  ASSERT_TRUE(writer.Flush());
  EXPECT_EQ(sink_.bytes.size(), bytes);
}

TEST_F(HmemWriterTest, AFailureIsReturnedFromThenOn) {
  HmemWriter writer(sink_, {});
  ASSERT_TRUE(writer.AppendHeader({}));
  sink_.sync_fails = true;
  EXPECT_EQ(writer.Flush().error().errno_value(), EIO);
  sink_.sync_fails = false;  // the kernel tells of a lost write once
  EXPECT_EQ(writer.Flush().error().errno_value(), EIO);
  EXPECT_EQ(writer.AppendHeader({}).error().errno_value(), EIO);
  EXPECT_EQ(writer.Finish({}).error().errno_value(), EIO);
}

TEST_F(HmemWriterTest, ASecondAttemptGoesOnBehindTheRecord) {
  HmemWriterOptions options{.dump_id = {std::byte{5}}, .attempt = 1};
  HmemWriter first(sink_, options);
  CaptureOptions capture{.codec = *codec::FindCodec("lz4")};
  std::string record = "the record";
  ASSERT_TRUE(first.AppendHeader(MakeDumpHeader(machine_, capture)));
  ASSERT_TRUE(first.AppendFirstFailure(std::as_bytes(std::span(record))));
  ASSERT_TRUE(first.Flush());
  options.attempt = 2;
  options.start = first.position();
  EXPECT_EQ(options.start.offset, sink_.bytes.size());
  HmemWriter second(sink_, options);
  auto outcome = makers::CaptureWhole(machine_, second, capture, findings_);
  ASSERT_TRUE(outcome);
  auto dump = Opened();
  ASSERT_TRUE(dump);
  EXPECT_TRUE((*dump)->complete());
  EXPECT_EQ((*dump)->first_failure().size(), record.size());
  Findings findings;
  ASSERT_TRUE((*dump)->Verify(findings));
  EXPECT_TRUE(findings.all().empty());
}

}  // namespace
}  // namespace hmem::capture
