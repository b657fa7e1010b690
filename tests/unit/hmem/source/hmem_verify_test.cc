// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>

#include "tests/fakes/failing_hmem_file.h"
#include "tests/makers/hmem_maker.h"

namespace hmem::source {
namespace {

using format::FrameType;
using makers::FrameSpan;

const Finding* Find(const Findings& findings, std::string_view id) {
  auto all = findings.all();
  auto it = std::find_if(all.begin(), all.end(), [&](const Finding& f) { return f.id == id; });
  return it == all.end() ? nullptr : &*it;
}

Findings Verify(const std::vector<std::byte>& bytes, std::vector<uint64_t> bad_pieces = {}) {
  fakes::FailingHmemFile file(bytes, std::move(bad_pieces));
  Findings opening, findings;
  auto index = HmemIndex::Build(file.file(), opening);
  EXPECT_TRUE(index);
  if (index) VerifyHmem(file.file(), *index, findings);
  return findings;
}

class VerifyOf : public testing::Test {
 protected:
  VerifyOf() {
    makers::FillMachine(machine_);
    bytes_ = makers::HmemBytes(machine_, {.codec = "none"});
  }
  std::vector<FrameSpan> All(FrameType type) const {
    auto frames = makers::FramesOf(bytes_);
    std::erase_if(frames, [&](const FrameSpan& frame) { return frame.header.type != type; });
    return frames;
  }

  fakes::FakeSource machine_;
  std::vector<std::byte> bytes_;
};

TEST_F(VerifyOf, NothingWrongIsNothingFound) { EXPECT_TRUE(Verify(bytes_).all().empty()); }

TEST_F(VerifyOf, ADamagedChunkAccusesNoOther) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  ASSERT_TRUE(
      writer.AppendHeader(capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")})));
  const std::vector<format::FateRun> one = {{.first = 0, .count = 1}};
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(writer.AppendFate(0x100 + i, 1, one));
    ASSERT_TRUE(writer.Flush());
  }
  bytes_ = sink.bytes;
  auto chunks = All(FrameType::kChunk);
  ASSERT_EQ(chunks.size(), 3u);
  bytes_[chunks[1].offset + format::kFrameHeaderBytes + 90] ^= std::byte{1};
  Findings findings = Verify(bytes_);
  ASSERT_NE(Find(findings, "hmem.payload-digest"), nullptr);
  EXPECT_EQ(Find(findings, "hmem.payload-digest")->count, 1u);
  EXPECT_EQ(Find(findings, "hmem.chunk-damaged"), nullptr);
  EXPECT_EQ(Find(findings, "hmem.chunk-digest"), nullptr);
}

TEST_F(VerifyOf, AListThatDiffersFromItsFramesIsNamed) {
  FrameSpan chunk = All(FrameType::kChunk)[1];
  // The page count of the first entry.
  bytes_[chunk.offset + format::kFrameHeaderBytes + format::kChunkHeadBytes + 16] ^= std::byte{1};
  makers::Reseal(bytes_, chunk.offset, chunk.header);
  Findings findings = Verify(bytes_);
  ASSERT_NE(Find(findings, "hmem.chunk-list"), nullptr);
  EXPECT_EQ(Find(findings, "hmem.chunk-list")->count, 1u);
}

TEST_F(VerifyOf, APieceThatCannotBeReadCostsItsFrame) {
  FrameSpan pages = All(FrameType::kPages)[0];
  Findings findings =
      Verify(bytes_, {(pages.offset + pages.header.total_bytes() / 2) / HmemFile::kPieceBytes});
  const Finding* finding = Find(findings, "hmem.io");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->count, 1u);
  EXPECT_THAT(finding->places[0],
              testing::HasSubstr(fmt::format("file offset {:#x}", pages.offset)));
  EXPECT_EQ(Find(findings, "hmem.chunk-digest"), nullptr);
  EXPECT_NE(Find(findings, "hmem.not-reached"), nullptr);
}

TEST_F(VerifyOf, ARecordThatIsNotTheOneOfTheHeaderIsNamed) {
  std::string_view record = "the record";
  for (bool right : {true, false}) {
    fakes::FakeSink sink;
    capture::HmemWriter writer(sink, {});
    v1::DumpHeader header = capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")});
    std::string digest(crypto_hash_sha256_BYTES, '\0');
    if (right) {
      ::crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                           reinterpret_cast<const unsigned char*>(record.data()), record.size());
    }
    header.set_record_sha256(digest);
    ASSERT_TRUE(writer.AppendHeader(header));
    ASSERT_TRUE(writer.AppendFirstFailure(std::as_bytes(std::span(record))));
    ASSERT_TRUE(writer.Flush());
    EXPECT_EQ(Find(Verify(sink.bytes), "hmem.record-digest") == nullptr, right);
  }
}

TEST_F(VerifyOf, MorePiecesThanAreCountedAreAFinding) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  ASSERT_TRUE(
      writer.AppendHeader(capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")})));
  std::vector<format::FateRun> runs;
  for (uint32_t i = 0; i < format::kMaxFateRuns; ++i) runs.push_back({.first = 2 * i, .count = 1});
  for (uint64_t i = 0; i <= kMaxCoveredRanges / format::kMaxFateRuns; ++i) {
    EXPECT_EQ(Find(Verify(sink.bytes.empty() ? bytes_ : sink.bytes), "hmem.too-many-ranges"),
              nullptr);
    ASSERT_TRUE(writer.AppendFate(i * 3 * format::kMaxFateRuns, 2 * format::kMaxFateRuns, runs));
    ASSERT_TRUE(writer.Flush());
  }
  EXPECT_NE(Find(Verify(sink.bytes), "hmem.too-many-ranges"), nullptr);
}

}  // namespace
}  // namespace hmem::source
