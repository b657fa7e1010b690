// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/positioned_fd_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using Kind = PositionedFdSink::Kind;
using makers::Pattern;

class PositionedFdSinkTest : public testing::Test {
 protected:
  PositionedFdSink Open(const std::string& path, Kind kind, uint64_t start = 0,
                        uint64_t device_bytes = ~uint64_t{0}) {
    return {*OpenFile(path, O_RDWR | O_CREAT, 0600), kind, path, start, device_bytes};
  }
  std::vector<std::byte> Content(const std::string& path) { return *ReadFile(path, 1 << 30); }

  makers::TempDir dir_;
};

TEST_F(PositionedFdSinkTest, AFileHasHolesWhereNothingWasWritten) {
  std::string path = dir_.File("out");
  PositionedFdSink sink = Open(path, Kind::kFile);
  ASSERT_TRUE(sink.WriteAt(64 << 20, Pattern(1)));
  ASSERT_TRUE(sink.WriteAt(0, Pattern(2)));
  EXPECT_EQ(sink.end(), (64u << 20) + 4096);
  ASSERT_TRUE(sink.Sync());
  ASSERT_TRUE(sink.Close());
  struct stat st;
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_size, (64 << 20) + 4096);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
  std::vector<std::byte> bytes = Content(path);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.begin() + 4096, Pattern(2).begin()));
  EXPECT_TRUE(std::equal(bytes.end() - 4096, bytes.end(), Pattern(1).begin()));
  EXPECT_EQ(bytes[1 << 20], std::byte{0});
}

TEST_F(PositionedFdSinkTest, LaterBytesLieOverEarlierOnes) {
  std::string path = dir_.File("out");
  PositionedFdSink sink = Open(path, Kind::kFile);
  ASSERT_TRUE(sink.WriteAt(0, Pattern(1)));
  ASSERT_TRUE(sink.WriteAt(100, Pattern(2, 10)));
  ASSERT_TRUE(sink.Close());
  std::vector<std::byte> wanted = Pattern(1), over = Pattern(2, 10);
  std::copy(over.begin(), over.end(), wanted.begin() + 100);
  EXPECT_EQ(Content(path), wanted);
}

TEST_F(PositionedFdSinkTest, CloseGivesBackWhatWasReserved) {
  std::string path = dir_.File("out");
  PositionedFdSink sink = Open(path, Kind::kFile);
  ASSERT_TRUE(sink.Reserve(0, 8 << 20));
  ASSERT_TRUE(sink.WriteAt(0, Pattern(1)));
  ASSERT_TRUE(sink.Close());
  struct stat st;
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 4096);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
}

TEST_F(PositionedFdSinkTest, WhatADeviceHeldIsGoneWhereNothingWasWritten) {
  std::vector<std::byte> old(5 << 20, std::byte{0xee});
  std::string path = dir_.Write("device", old);
  PositionedFdSink sink = Open(path, Kind::kDevice, 0, old.size());
  ASSERT_TRUE(sink.WriteAt(10, Pattern(1, 100)));
  ASSERT_TRUE(sink.WriteAt((3 << 20) + 17, Pattern(2, 100)));
  ASSERT_TRUE(sink.WriteAt(4096, Pattern(3, 100)));
  ASSERT_TRUE(sink.Close());
  std::vector<std::byte> wanted(old.size());
  for (auto [at, seed] : {std::pair{10, 1}, {(3 << 20) + 17, 2}, {4096, 3}}) {
    std::vector<std::byte> piece = Pattern(static_cast<uint64_t>(seed), 100);
    std::copy(piece.begin(), piece.end(), wanted.begin() + at);
  }
  std::fill(wanted.begin() + (3 << 20) + 117, wanted.end(), std::byte{0xee});
  EXPECT_EQ(Content(path), wanted);
}

TEST_F(PositionedFdSinkTest, WhatLiesBeforeTheStartOfADeviceStays) {
  std::string path = dir_.Write("device", std::vector<std::byte>(8192, std::byte{0xee}));
  PositionedFdSink sink = Open(path, Kind::kDevice, 4096, 8192);
  ASSERT_TRUE(sink.WriteAt(4096, Pattern(1, 100)));
  ASSERT_TRUE(sink.Close());
  EXPECT_EQ(Content(path)[4095], std::byte{0xee});
}

TEST_F(PositionedFdSinkTest, ADeviceIsFullAtItsEnd) {
  std::string path = dir_.Write("device", std::vector<std::byte>(8192));
  PositionedFdSink sink = Open(path, Kind::kDevice, 0, 8192);
  ASSERT_TRUE(sink.Reserve(4096, 4096));
  Status status = sink.Reserve(4096, 4097);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().errno_value(), ENOSPC);
  status = sink.WriteAt(8000, Pattern(1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().errno_value(), ENOSPC);
  EXPECT_EQ(Content(path).size(), 8192u);
}

TEST_F(PositionedFdSinkTest, AStreamTakesAscendingPiecesAndFillsTheGaps) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd reader(ends[0]);
  PositionedFdSink sink(UniqueFd(ends[1]), Kind::kStream, "pipe");
  EXPECT_FALSE(sink.can_go_back());
  ASSERT_TRUE(sink.WriteAt(10, Pattern(1, 5)));
  ASSERT_TRUE(sink.WriteAt(20, Pattern(2, 5)));
  Status status = sink.WriteAt(12, Pattern(3, 5));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().errno_value(), ESPIPE);
  ASSERT_TRUE(sink.Close());
  std::vector<std::byte> got(100), wanted(25);
  ssize_t n = ::read(reader.get(), got.data(), got.size());
  ASSERT_EQ(n, 25);
  got.resize(25);
  std::ranges::copy(Pattern(1, 5), wanted.begin() + 10);
  std::ranges::copy(Pattern(2, 5), wanted.begin() + 20);
  EXPECT_EQ(got, wanted);
}

TEST_F(PositionedFdSinkTest, LargeWritesAreWrittenBackOnTheWay) {
  std::string path = dir_.File("out");
  PositionedFdSink sink = Open(path, Kind::kFile);
  std::vector<std::byte> piece = Pattern(1, 1 << 20);
  for (uint64_t i = 0; i < 40; ++i) ASSERT_TRUE(sink.WriteAt(i << 20, piece));
  ASSERT_TRUE(sink.Close());
  std::vector<std::byte> bytes = Content(path);
  ASSERT_EQ(bytes.size(), 40u << 20);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_TRUE(
        std::equal(piece.begin(), piece.end(), bytes.begin() + static_cast<ptrdiff_t>(i << 20)));
  }
}

}  // namespace
}  // namespace hmem::capture
