// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/flattened_sink.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "hmem/format/flattened.h"
#include "hmem/source/dump_file.h"
#include "tests/fakes/fake_sink.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using makers::Pattern;

TEST(FlattenedSink, WhatWasWrittenComesBackFromAFile) {
  fakes::FakeSink out;
  FlattenedSink sink(out);
  ASSERT_TRUE(sink.WriteAt(100000, Pattern(1, 3 << 20)));
  ASSERT_TRUE(sink.WriteAt(0, Pattern(2)));
  ASSERT_TRUE(sink.WriteAt(100, Pattern(3, 10)));
  ASSERT_TRUE(sink.WriteAt(50, {}));
  ASSERT_TRUE(sink.Finish());
  EXPECT_EQ(sink.stream_bytes(), out.bytes.size());
  EXPECT_FALSE(out.synced.empty());

  makers::TempFile file(out.bytes);
  auto dump = source::DumpFile::Open(file.path(), 1 << 20);
  ASSERT_TRUE(dump) << dump.error().ToString();
  std::vector<std::byte> wanted(100000 + (3 << 20)), got(wanted.size());
  std::ranges::copy(Pattern(1, 3 << 20), wanted.begin() + 100000);
  std::ranges::copy(Pattern(2), wanted.begin());
  std::ranges::copy(Pattern(3, 10), wanted.begin() + 100);
  ASSERT_EQ(dump->size_bytes(), wanted.size());
  ASSERT_TRUE(dump->Read(0, got));
  EXPECT_EQ(got, wanted);
  EXPECT_FALSE(dump->findings().HasLosses());
}

TEST(FlattenedSink, RoomThatIsPromisedIsAskedForUntilItIsUsed) {
  fakes::FakeSink out;
  out.capacity = 1 << 20;
  FlattenedSink sink(out);
  ASSERT_TRUE(sink.Reserve(0, 500 << 10));
  EXPECT_EQ(sink.Reserve(0, 500 << 10).error().errno_value(), ENOSPC);
  ASSERT_TRUE(sink.WriteAt(0, Pattern(1, 500 << 10)));
  ASSERT_TRUE(sink.Reserve(1 << 30, 300 << 10));
}

TEST(FlattenedSink, KeepsToItsLimitWithRoomForTheEnd) {
  constexpr uint64_t kLimit = 1 << 20, kHead = 100 << 10, kPages = 10000;
  fakes::FakeSink out;
  FlattenedSink sink(out, kLimit);
  ASSERT_TRUE(sink.Reserve(0, kHead));
  ASSERT_TRUE(sink.WriteAt(0, Pattern(1, kHead)));
  uint64_t at = kHead;
  Status status;
  while (status = sink.Reserve(at, kPages), status) {
    ASSERT_TRUE(sink.WriteAt(at, Pattern(2, kPages)));
    at += kPages;
  }
  EXPECT_EQ(status.error().code(), ErrorCode::kLimit);
  EXPECT_GT(at, kLimit - 2 * kHead - (100 << 10)) << "gave up long before";
  // The head once more, in many pieces.
  for (uint64_t piece = 0; piece < kHead; piece += 1024)
    ASSERT_TRUE(sink.WriteAt(piece, Pattern(3, 1024)));
  ASSERT_TRUE(sink.Finish());
  EXPECT_LE(out.bytes.size(), kLimit);
  EXPECT_EQ(sink.Reserve(0, ~uint64_t{0}).error().code(), ErrorCode::kLimit);
}

TEST(FlattenedSink, NothingIsWrittenPastItsLimit) {
  fakes::FakeSink out;
  FlattenedSink sink(out, 10000);
  EXPECT_EQ(sink.Reserve(0, 100).error().code(), ErrorCode::kLimit);
  EXPECT_EQ(sink.WriteAt(0, Pattern(1, 9000)).error().code(), ErrorCode::kLimit);
  ASSERT_TRUE(sink.WriteAt(0, Pattern(1, 5000)));
  ASSERT_TRUE(sink.Finish());
  EXPECT_LE(out.bytes.size(), 10000u);
}

TEST(FlattenedSink, ARecordWithoutRoomIsNotInTheStream) {
  fakes::FakeSink out;
  FlattenedSink sink(out);
  ASSERT_TRUE(sink.WriteAt(0, Pattern(1, 900 << 10)));
  out.capacity = 0;
  EXPECT_EQ(sink.WriteAt(1 << 20, Pattern(2, 900 << 10)).error().errno_value(), ENOSPC);
  out.capacity = fakes::FakeSink::kNever;
  ASSERT_TRUE(sink.WriteAt(2 << 20, Pattern(3, 10)));
  ASSERT_TRUE(sink.Finish());
  makers::TempFile file(out.bytes);
  auto dump = source::DumpFile::Open(file.path(), 1 << 20);
  ASSERT_TRUE(dump);
  EXPECT_EQ(dump->size_bytes(), (2u << 20) + 10);
  std::vector<std::byte> got(900 << 10);
  ASSERT_TRUE(dump->Read(0, got));
  EXPECT_EQ(got, Pattern(1, 900 << 10));
  ASSERT_TRUE(dump->Read(1 << 20, got));
  EXPECT_EQ(got, std::vector<std::byte>(got.size()));
}

}  // namespace
}  // namespace hmem::capture
