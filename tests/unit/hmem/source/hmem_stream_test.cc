// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_stream.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using format::FrameHeader;
using format::FrameType;
using makers::TempFile;

constexpr format::DumpId kId = {std::byte{1}};

// A frame header without payload.
void AddFrame(uint64_t number, std::vector<std::byte>& file) {
  FrameHeader header{.type = FrameType::kPad,
                     .dump_id = kId,
                     .sequence = format::MakeSequence(1, number),
                     .payload_xxh3 = format::PayloadDigest({})};
  std::array<std::byte, format::kFrameHeaderBytes> bytes;
  format::EncodeFrameHeader(header, bytes);
  file.insert(file.end(), bytes.begin(), bytes.end());
}

void AddGarbage(size_t bytes, std::vector<std::byte>& file) {
  file.insert(file.end(), bytes, std::byte{0x89});
}

struct Walked {
  std::vector<uint64_t> offsets;
  uint64_t searched_bytes = 0;
};

Walked Walk(const std::vector<std::byte>& bytes) {
  TempFile temp{std::span<const std::byte>(bytes)};
  auto file = HmemFile::Open(temp.path());
  EXPECT_TRUE(file);
  FrameWalker walker(*file, kId);
  Findings findings;
  Walked walked;
  while (auto frame = walker.Next(findings)) walked.offsets.push_back(frame->offset);
  EXPECT_TRUE(findings.HasLosses());  // none of these streams has an END
  walked.searched_bytes = walker.searched_bytes();
  return walked;
}

TEST(FrameWalker, ReadsAHostileAlternatingFileOnce) {
  std::vector<std::byte> file;
  constexpr uint64_t kFrames = 16384;  // 2 MiB
  for (uint64_t i = 0; i < kFrames; ++i) {
    AddFrame(i, file);
    AddGarbage(64, file);
  }
  Walked walked = Walk(file);
  EXPECT_EQ(walked.offsets.size(), kFrames);
  EXPECT_LE(walked.searched_bytes, file.size());
}

TEST(FrameWalker, ReadsAHostileFileWithGapsOfAllSizesOnce) {
  std::vector<std::byte> file;
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i < 400; ++i) {
    offsets.push_back(file.size());
    AddFrame(i, file);
    AddGarbage(64 * (i * 37 % 331), file);
  }
  Walked walked = Walk(file);
  EXPECT_EQ(walked.offsets, offsets);
  EXPECT_LE(walked.searched_bytes, file.size());
}

TEST(FrameWalker, FindsAFrameBehindAWindowOfAnySize) {
  for (size_t gap :
       {FrameWalker::kFirstWindow - 64, FrameWalker::kFirstWindow, FrameWalker::kFirstWindow + 64,
        2 * FrameWalker::kMaxWindow, 4 * FrameWalker::kMaxWindow + 64}) {
    std::vector<std::byte> file;
    AddFrame(0, file);
    AddGarbage(gap, file);
    AddFrame(1, file);
    EXPECT_EQ(Walk(file).offsets, (std::vector<uint64_t>{0, 64 + gap})) << gap;
  }
}

TEST(FrameWalker, ALittleDamageCostsALittleReading) {
  std::vector<std::byte> file;
  AddFrame(0, file);
  AddGarbage(64, file);
  for (uint64_t i = 1; i < 10000; ++i) AddFrame(i, file);
  // Once behind the garbage, and once more where the file ends.
  EXPECT_LE(Walk(file).searched_bytes, 2 * FrameWalker::kFirstWindow);
}

TEST(FrameWalker, GarbageToTheEndIsReadOnce) {
  std::vector<std::byte> file;
  AddFrame(0, file);
  AddGarbage((3 << 20) + 17, file);
  Walked walked = Walk(file);
  EXPECT_EQ(walked.offsets.size(), 1u);
  EXPECT_LE(walked.searched_bytes, file.size());
}

TEST(HmemFile, AnOffsetBehindTheEndIsTruncated) {
  TempFile temp("0123456789");
  auto file = HmemFile::Open(temp.path());
  ASSERT_TRUE(file);
  std::array<std::byte, 4> out;
  EXPECT_TRUE(file->ReadExactly(6, out));
  EXPECT_EQ(file->ReadExactly(7, out).error().code(), ErrorCode::kTruncated);
  EXPECT_EQ(file->ReadExactly(uint64_t{1} << 63, out).error().code(), ErrorCode::kTruncated);
  EXPECT_EQ(file->ReadHeader(~uint64_t{0}).error().code(), ErrorCode::kTruncated);
}

TEST(HmemFile, ADirectoryIsNoDump) {
  makers::TempDir dir;
  EXPECT_FALSE(HmemFile::Open(dir.path()));
}

}  // namespace
}  // namespace hmem::source
