// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "hmem/source/hmem_pages.h"
#include "tests/fakes/failing_hmem_file.h"
#include "tests/makers/hmem_maker.h"

namespace hmem::source {
namespace {

using fakes::FailingHmemFile;
using format::FrameType;
using makers::FrameSpan;

const Finding* Find(const Findings& findings, std::string_view id) {
  auto all = findings.all();
  auto it = std::find_if(all.begin(), all.end(), [&](const Finding& f) { return f.id == id; });
  return it == all.end() ? nullptr : &*it;
}

class Index : public testing::Test {
 protected:
  Index() {
    makers::FillMachine(machine_);
    bytes_ = makers::HmemBytes(machine_);
  }

  FrameSpan FirstOf(FrameType type) const {
    for (const FrameSpan& frame : makers::FramesOf(bytes_)) {
      if (frame.header.type == type) return frame;
    }
    ADD_FAILURE() << "no such frame";
    return {};
  }
  void CutEnd() { bytes_.resize(FirstOf(FrameType::kEnd).offset); }
  Result<HmemIndex> Build(std::vector<uint64_t> bad_pieces = {}) {
    file_.emplace(bytes_, std::move(bad_pieces));
    findings_ = {};
    return HmemIndex::Build(file_->file(), findings_);
  }

  fakes::FakeSource machine_;
  std::vector<std::byte> bytes_;
  std::optional<FailingHmemFile> file_;
  Findings findings_;
};

TEST_F(Index, OnlyAnUnreadableHeaderIsFatal) {
  auto first = Build({0});
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), ErrorCode::kIo);
  for (uint64_t piece = 1; piece * HmemFile::kPieceBytes < bytes_.size(); ++piece) {
    auto index = Build({piece});
    ASSERT_TRUE(index) << piece << ": " << index.error().ToString();
  }
}

TEST_F(Index, FramesAreFollowedWhereTheEndCannotBeRead) {
  auto whole = Build();
  ASSERT_TRUE(whole);
  auto index = Build({FirstOf(FrameType::kEnd).offset / HmemFile::kPieceBytes});
  ASSERT_TRUE(index);
  EXPECT_FALSE(index->end);
  EXPECT_TRUE(index->damaged);
  EXPECT_EQ(index->frames.size(), whole->frames.size());
  ASSERT_NE(Find(findings_, "hmem.io"), nullptr);
  EXPECT_THAT(Find(findings_, "hmem.io")->text, testing::HasSubstr("Input/output error"));
}

TEST_F(Index, AnUnreadableFrameHeaderCostsThatFrame) {
  auto whole = Build();
  CutEnd();
  FrameSpan pages = FirstOf(FrameType::kPages);
  auto index = Build({pages.offset / HmemFile::kPieceBytes});
  ASSERT_TRUE(index);
  EXPECT_LT(index->frames.size(), whole->frames.size());
  EXPECT_GT(index->frames.size(), 0u);
  EXPECT_TRUE(index->frames_lost);
  EXPECT_NE(Find(findings_, "hmem.io"), nullptr);
  EXPECT_NE(Find(findings_, "hmem.damage"), nullptr);
}

TEST_F(Index, AnUnreadableChunkSendsItToTheFrames) {
  uint64_t last = 0;
  for (const FrameSpan& frame : makers::FramesOf(bytes_)) {
    if (frame.header.type == FrameType::kChunk) last = frame.offset;
  }
  ASSERT_NE(last / HmemFile::kPieceBytes, 0u);
  auto index = Build({last / HmemFile::kPieceBytes});
  ASSERT_TRUE(index);
  EXPECT_TRUE(index->damaged);
  EXPECT_GT(index->frames.size(), 0u);
  EXPECT_NE(Find(findings_, "hmem.io"), nullptr);
}

TEST_F(Index, AFlagThatIsNotKnownSkipsTheFrameWhateverItIs) {
  const std::vector<std::byte> good = bytes_;
  for (FrameType type : {FrameType::kFirstFailure, FrameType::kNotes, FrameType::kPages,
                         FrameType::kFate, FrameType::kChunk, FrameType::kPad, FrameType::kEnd}) {
    bytes_ = good;
    FrameSpan frame = FirstOf(type);
    frame.header.flags = 0x8000;
    makers::Reseal(bytes_, frame.offset, frame.header);
    if (type != FrameType::kEnd) CutEnd();
    auto index = Build();
    ASSERT_TRUE(index) << index.error().ToString();
    EXPECT_TRUE(index->damaged) << format::FrameTypeName(type);
    EXPECT_FALSE(index->end);
    ASSERT_NE(Find(findings_, "hmem.unknown-flag"), nullptr) << format::FrameTypeName(type);
    EXPECT_EQ(Find(findings_, "hmem.unknown-flag")->count, 1u) << format::FrameTypeName(type);
    EXPECT_EQ(index->first_failure.empty(), type == FrameType::kFirstFailure);
    EXPECT_EQ(index->notes.empty(), type == FrameType::kNotes);
    EXPECT_EQ(index->frames_lost, type == FrameType::kPages || type == FrameType::kFate);
  }
}

TEST_F(Index, AFlagOfTheHeaderIsNotSupported) {
  FrameSpan frame = FirstOf(FrameType::kHeader);
  frame.header.flags = 1;
  makers::Reseal(bytes_, frame.offset, frame.header);
  EXPECT_EQ(Build().error().code(), ErrorCode::kUnsupported);
}

TEST_F(Index, AFrameOfNoKnownTypeMakesItIncomplete) {
  for (auto type : {FrameType::kKey, static_cast<FrameType>(77)}) {
    FrameSpan frame = FirstOf(FrameType::kNotes);
    frame.header.type = type;
    auto good = bytes_;
    makers::Reseal(bytes_, frame.offset, frame.header);
    CutEnd();
    auto index = Build();
    ASSERT_TRUE(index);
    EXPECT_TRUE(index->damaged);
    EXPECT_NE(Find(findings_, "hmem.unknown-frame"), nullptr);
    bytes_ = good;
  }
}

TEST_F(Index, ADamagedRecordDoesNotHideTheOneBefore) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  ASSERT_TRUE(
      writer.AppendHeader(capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")})));
  for (std::string_view record : {"first", "second"})
    ASSERT_TRUE(writer.AppendFirstFailure(std::as_bytes(std::span(record))));
  ASSERT_TRUE(writer.Flush());
  bytes_ = sink.bytes;
  auto index = Build();
  ASSERT_TRUE(index);
  EXPECT_EQ(index->first_failure.size(), 6u);
  uint64_t last = 0;
  for (const FrameSpan& frame : makers::FramesOf(bytes_)) {
    if (frame.header.type == FrameType::kFirstFailure) last = frame.offset;
  }
  bytes_[last + format::kFrameHeaderBytes] ^= std::byte{1};
  index = Build();
  ASSERT_TRUE(index);
  EXPECT_EQ(index->first_failure.size(), 5u);
  EXPECT_NE(Find(findings_, "hmem.record-damaged"), nullptr);
}

TEST_F(Index, ABrokenChainIsToldOnceAndInNumbersThatAreThere) {
  FrameSpan at = FirstOf(FrameType::kEnd);
  v1::DumpEnd end;
  ASSERT_TRUE(end.ParseFromArray(&bytes_[at.offset + format::kFrameHeaderBytes],
                                 static_cast<int>(at.header.stored_bytes)));
  end.set_chunks(0);
  bytes_ = makers::WithEnd(bytes_, end);
  auto index = Build();
  ASSERT_TRUE(index);
  const Finding* finding = Find(findings_, "hmem.chunk-chain");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->count, 1u);
  EXPECT_THAT(finding->text, testing::HasSubstr("where END counted 0 chunks"));
}

TEST_F(Index, ADamagedFrameIsReadOnce) {
  FrameSpan pages = FirstOf(FrameType::kPages);
  bytes_[pages.offset + pages.header.total_bytes() / 2] ^= std::byte{1};
  auto index = Build();
  ASSERT_TRUE(index);
  HmemPages reader(file_->file(), *index);
  auto first = reader.Locate(Pfn(pages.header.first_pfn));
  EXPECT_EQ(first.fate, PageFate::kDamaged);
  uint64_t reads = file_->reads();
  for (int i = 0; i < 100; ++i) {
    auto location = reader.Locate(Pfn(pages.header.first_pfn));
    ASSERT_EQ(location.fate, PageFate::kDamaged);
    EXPECT_EQ(location.error->code(), ErrorCode::kCorrupt);
  }
  EXPECT_EQ(file_->reads(), reads);
}

}  // namespace
}  // namespace hmem::source
