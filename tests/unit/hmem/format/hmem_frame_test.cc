// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/hmem_frame.h"

#include <gtest/gtest.h>

#include "hmem/base/endian.h"
#include "hmem/format/crc32c.h"

namespace hmem::format {
namespace {

using Encoded = std::array<std::byte, kFrameHeaderBytes>;

FrameHeader SomeHeader() {
  return {.type = FrameType::kPages,
          .flags = 0,
          .dump_id = {std::byte{0xab}},
          .sequence = MakeSequence(3, 77),
          .first_pfn = 0x12345,
          .payload_xxh3 = 0x1122334455667788,
          .stored_bytes = 1000,
          .raw_bytes = 8192,
          .page_count = 9};
}

Encoded Encode(const FrameHeader& header) {
  Encoded bytes;
  EncodeFrameHeader(header, bytes);
  return bytes;
}

void Reseal(Encoded& bytes) {
  Store(bytes.data() + 60, Crc32c(std::span(bytes).first(60)), Endian::kLittle);
}

TEST(Crc32c, IsTheOneOfRfc3720) {
  std::vector<std::byte> zeros(32), ones(32, std::byte{0xff});
  EXPECT_EQ(Crc32c(zeros), 0x8a9136aau);
  EXPECT_EQ(Crc32c(ones), 0x62a8ab43u);
}

TEST(HmemFrame, HeaderSurvivesTheTrip) {
  auto header = DecodeFrameHeader(Encode(SomeHeader()));
  ASSERT_TRUE(header) << header.error().ToString();
  EXPECT_EQ(header->type, FrameType::kPages);
  EXPECT_EQ(header->dump_id, SomeHeader().dump_id);
  EXPECT_EQ(SequenceAttempt(header->sequence), 3);
  EXPECT_EQ(SequenceNumber(header->sequence), 77u);
  EXPECT_EQ(header->first_pfn, 0x12345u);
  EXPECT_EQ(header->payload_xxh3, 0x1122334455667788u);
  EXPECT_EQ(header->stored_bytes, 1000u);
  EXPECT_EQ(header->raw_bytes, 8192u);
  EXPECT_EQ(header->page_count, 9u);
  EXPECT_EQ(header->total_bytes(), 64u + 1024u);
}

// docs/formats/hmem.md, "A frame, byte for byte".
TEST(HmemFrame, TheWorkedExampleOfTheDocumentHolds) {
  constexpr std::array<uint8_t, 88> kExample = {
      0x89, 0x48, 0x4d, 0x46, 0x05, 0x00, 0x00, 0x00, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6,
      0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x01, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x72, 0x70, 0xa7, 0x90, 0x49,
      0x21, 0x42, 0x57, 0x18, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x21, 0x00, 0x00, 0x00,
      0x0a, 0xc6, 0xb4, 0x83, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
      0x00, 0x20, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00, 0x05, 0x00};
  auto bytes = std::as_bytes(std::span(kExample));
  auto header = DecodeFrameHeader(bytes);
  ASSERT_TRUE(header) << header.error().ToString();
  auto payload = bytes.subspan(kFrameHeaderBytes);
  EXPECT_EQ(header->type, FrameType::kFate);
  EXPECT_EQ(SequenceAttempt(header->sequence), 1);
  EXPECT_EQ(SequenceNumber(header->sequence), 7u);
  EXPECT_EQ(header->payload_xxh3, PayloadDigest(payload));
  EXPECT_EQ(header->first_pfn, 0x100u);
  EXPECT_EQ(header->page_count, 33u);
  auto runs = DecodeFate(*header, payload);
  ASSERT_TRUE(runs) << runs.error().ToString();
  ASSERT_EQ(runs->size(), 2u);
  EXPECT_EQ((*runs)[0].count, 16u);
  EXPECT_EQ((*runs)[0].fate, StoredFate::kZero);
  EXPECT_EQ((*runs)[1].first, 0x20u);
  EXPECT_EQ((*runs)[1].fate, StoredFate::kUnreadable);
  EXPECT_EQ((*runs)[1].error_number, 5);
}

TEST(HmemFrame, EveryFlippedBitOfAHeaderIsSeen) {
  Encoded good = Encode(SomeHeader());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Encoded bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(DecodeFrameHeader(bad)) << bit;
  }
}

TEST(HmemFrame, TellsNoFrameFromABrokenOne) {
  Encoded bytes{};
  EXPECT_EQ(DecodeFrameHeader(bytes).error().code(), ErrorCode::kNotFound);
  bytes = Encode(SomeHeader());
  bytes[50] ^= std::byte{1};
  EXPECT_EQ(DecodeFrameHeader(bytes).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(DecodeFrameHeader(std::span(bytes).first(63)).error().code(), ErrorCode::kTruncated);
}

TEST(HmemFrame, RejectsPayloadLargerThanAnyFrame) {
  Encoded bytes = Encode(SomeHeader());
  Store(bytes.data() + 48, static_cast<uint32_t>(kMaxPayloadBytes + 1), Endian::kLittle);
  Reseal(bytes);
  EXPECT_EQ(DecodeFrameHeader(bytes).error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsPfnsThatWrap) {
  Encoded bytes = Encode(SomeHeader());
  Store(bytes.data() + 32, ~uint64_t{0}, Endian::kLittle);
  Reseal(bytes);
  EXPECT_EQ(DecodeFrameHeader(bytes).error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, DumpIdSurvivesTheTrip) {
  DumpId id{std::byte{0x01}, std::byte{0xfe}};
  auto parsed = ParseDumpId(DumpIdText(id));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, id);
  EXPECT_FALSE(ParseDumpId("01"));
  EXPECT_FALSE(ParseDumpId(std::string(32, 'g')));
}

struct MadePages {
  FrameHeader header{
      .type = FrameType::kPages, .stored_bytes = 0, .raw_bytes = 3 * 4096, .page_count = 10};
  PagesHead head{.block_raw_bytes = 65536,
                 .runs = {{0, 1}, {8, 2}},
                 .blocks = {{.codec = 1, .stored_bytes = 100}}};

  Result<PagesHead> Decode() {
    std::vector<std::byte> payload(PagesHeadSize(head.runs.size(), head.blocks.size()));
    EncodePagesHead(head, payload);
    if (header.stored_bytes == 0) header.stored_bytes = static_cast<uint32_t>(payload.size()) + 100;
    return DecodePagesHead(header, 4096, payload);
  }
};

TEST(HmemFrame, PagesHeadSurvivesTheTrip) {
  MadePages made;
  auto head = made.Decode();
  ASSERT_TRUE(head) << head.error().ToString();
  ASSERT_EQ(head->runs.size(), 2u);
  EXPECT_EQ(head->runs[1].first, 8u);
  EXPECT_EQ(head->blocks[0].stored_bytes, 100u);
  EXPECT_EQ(head->blocks[0].offset, 16u + 16 + 4);
}

TEST(HmemFrame, RejectsRunsThatOverlap) {
  MadePages made;
  made.head.runs = {{0, 2}, {1, 1}};
  EXPECT_EQ(made.Decode().error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsRunBehindTheFramesPages) {
  MadePages made;
  made.head.runs = {{0, 1}, {9, 2}};
  EXPECT_EQ(made.Decode().error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsRunsThatDoNotAddUp) {
  MadePages made;
  made.head.runs = {{0, 1}, {8, 1}};
  EXPECT_EQ(made.Decode().error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsBlockLongerThanThePayload) {
  MadePages made;
  made.head.blocks[0].stored_bytes = 101;
  made.header.stored_bytes = 36 + 100;
  EXPECT_EQ(made.Decode().error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsAnotherNumberOfBlocks) {
  MadePages made;
  made.head.blocks.push_back({.codec = 1, .stored_bytes = 0});
  EXPECT_EQ(made.Decode().error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsBlocksThatSplitAPage) {
  MadePages made;
  made.head.block_raw_bytes = 5000;
  EXPECT_EQ(made.Decode().error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsEmptyRun) {
  MadePages made;
  made.head.runs = {{0, 3}, {8, 0}};
  EXPECT_EQ(made.Decode().error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, FateSurvivesTheTrip) {
  std::vector<FateRun> runs = {
      {.first = 0, .count = 5, .fate = StoredFate::kZero},
      {.first = 7, .count = 1, .fate = StoredFate::kUnreadable, .error_number = 5},
      {.first = 8, .count = 2, .fate = StoredFate::kExcluded, .page_class = 3}};
  FrameHeader header{.type = FrameType::kFate, .page_count = 10};
  auto read = DecodeFate(header, EncodeFate(runs));
  ASSERT_TRUE(read) << read.error().ToString();
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ((*read)[1].error_number, 5);
  EXPECT_EQ((*read)[2].page_class, 3);
}

TEST(HmemFrame, RejectsFateOfNoKind) {
  std::vector<FateRun> runs = {{.first = 0, .count = 5, .fate = static_cast<StoredFate>(9)}};
  EXPECT_EQ(
      DecodeFate({.type = FrameType::kFate, .page_count = 10}, EncodeFate(runs)).error().code(),
      ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsFateCutInsideARun) {
  std::vector<std::byte> payload(13);
  EXPECT_EQ(DecodeFate({.type = FrameType::kFate, .page_count = 10}, payload).error().code(),
            ErrorCode::kCorrupt);
}

Chunk SomeChunk() {
  Chunk chunk{.number = 4, .offset = 4096, .bytes = 64 + 128 + 64, .previous = 64, .tier = 2};
  chunk.entries = {{.offset = 0,
                    .type = FrameType::kPages,
                    .first_pfn = 9,
                    .page_count = 3,
                    .stored_bytes = 100,
                    .raw_bytes = 8192},
                   {.offset = 192, .type = FrameType::kPad}};
  return chunk;
}

TEST(HmemFrame, ChunkSurvivesTheTrip) {
  auto chunk = DecodeChunk({.type = FrameType::kChunk}, EncodeChunk(SomeChunk()));
  ASSERT_TRUE(chunk) << chunk.error().ToString();
  EXPECT_EQ(chunk->number, 4u);
  EXPECT_EQ(chunk->offset, 4096u);
  EXPECT_EQ(chunk->previous, 64u);
  EXPECT_EQ(chunk->tier, 2u);
  ASSERT_EQ(chunk->entries.size(), 2u);
  EXPECT_EQ(chunk->entries[0].first_pfn, 9u);
  EXPECT_EQ(chunk->entries[1].offset, 192u);
}

TEST(HmemFrame, RejectsChunkWithAGapBetweenFrames) {
  Chunk chunk = SomeChunk();
  chunk.entries[1].offset = 256;
  EXPECT_EQ(DecodeChunk({.type = FrameType::kChunk}, EncodeChunk(chunk)).error().code(),
            ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsChunkLargerThanAnyChunk) {
  Chunk chunk = SomeChunk();
  chunk.bytes = kMaxChunkBytes + 64;
  EXPECT_EQ(DecodeChunk({.type = FrameType::kChunk}, EncodeChunk(chunk)).error().code(),
            ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsChunkThatCountsMoreFramesThanItLists) {
  auto payload = EncodeChunk(SomeChunk());
  payload.resize(payload.size() - kChunkEntryBytes);
  EXPECT_EQ(DecodeChunk({.type = FrameType::kChunk}, payload).error().code(), ErrorCode::kCorrupt);
}

TEST(HmemFrame, RejectsPagesShorterThanTheirHead) {
  FrameHeader header{.type = FrameType::kPages, .raw_bytes = 8192, .page_count = 2};
  PagesHead head{.block_raw_bytes = 65536, .runs = {{.first = 0, .count = 2}}, .blocks = {{}}};
  std::vector<std::byte> payload(PagesHeadSize(1, 1));
  EncodePagesHead(head, payload);
  for (size_t bytes = 0; bytes < payload.size(); ++bytes) {
    header.stored_bytes = static_cast<uint32_t>(bytes);
    auto read = DecodePagesHead(header, 4096, std::span(payload).first(bytes));
    ASSERT_FALSE(read) << bytes;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << bytes;
  }
}

TEST(HmemFrame, RejectsMoreFateRunsThanAFrameHas) {
  std::vector<FateRun> runs;
  for (uint32_t i = 0; i <= kMaxFateRuns; ++i) runs.push_back({.first = i, .count = 1});
  FrameHeader header{.type = FrameType::kFate, .page_count = kMaxFateRuns + 1};
  EXPECT_EQ(DecodeFate(header, EncodeFate(runs)).error().code(), ErrorCode::kCorrupt);
  runs.pop_back();
  EXPECT_TRUE(DecodeFate(header, EncodeFate(runs)));
}

}  // namespace
}  // namespace hmem::format
