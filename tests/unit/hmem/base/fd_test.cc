// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem {
namespace {

using makers::Bytes;
using makers::Pattern;

TEST(UniqueFd, MovesOwnershipAndClosesOnce) {
  auto opened = OpenFile("/dev/null", O_RDONLY);
  ASSERT_TRUE(opened);
  int number = opened->get();
  UniqueFd other = *std::move(opened);
  EXPECT_EQ(other.get(), number);
  EXPECT_FALSE(opened->valid());
  other.Reset();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(UniqueFd, CloseReportsWhatCloseSaid) {
  UniqueFd none;
  Status closed = none.Close("x");
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().errno_value(), EBADF);
}

TEST(OpenFile, ClosesOnExecAndNamesThePath) {
  auto opened = OpenFile("/dev/null", O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_NE(::fcntl(opened->get(), F_GETFD) & FD_CLOEXEC, 0);
  auto missing = OpenFile("/no/such/file", O_RDONLY);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().errno_value(), ENOENT);
  EXPECT_EQ(missing.error().ToString(), "/no/such/file: No such file or directory");
}

TEST(PreadSome, IsShortOnlyAtTheEnd) {
  makers::TempFile file(Pattern(1, 100));
  auto fd = OpenFile(file.path(), O_RDONLY);
  ASSERT_TRUE(fd);
  std::vector<std::byte> out(64);
  EXPECT_EQ(PreadSome(fd->get(), out, 10, file.path()), 64u);
  EXPECT_EQ(PreadSome(fd->get(), out, 90, file.path()), 10u);
  EXPECT_EQ(PreadSome(fd->get(), out, 100, file.path()), 0u);
}

TEST(PreadSome, NamesPathAndOffset) {
  makers::TempDir dir;
  auto fd = OpenFile(dir.path(), O_RDONLY);
  ASSERT_TRUE(fd);
  std::vector<std::byte> out(1);
  auto n = PreadSome(fd->get(), out, 0x10, "place");
  ASSERT_FALSE(n);
  EXPECT_EQ(n.error().errno_value(), EISDIR);
  EXPECT_TRUE(n.error().ToString().starts_with("place: offset 0x10: read"));
}

TEST(WriteAll, WritesAndAppends) {
  makers::TempDir dir;
  std::string path = dir.File("out");
  auto fd = OpenFile(path, O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(WriteAll(fd->get(), Bytes("hello "), path));
  ASSERT_TRUE(WriteAll(fd->get(), Bytes("world"), path));
  ASSERT_TRUE(PwriteAll(fd->get(), Bytes("W"), 6, path));
  ASSERT_TRUE(fd->Close(path));
  EXPECT_EQ(ReadTextFile(path, 100), "hello World");
}

TEST(WriteAll, ReportsAFullDisk) {
  auto fd = OpenFile("/dev/full", O_WRONLY);
  ASSERT_TRUE(fd);
  Status status = WriteAll(fd->get(), Bytes("x"), "/dev/full");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().errno_value(), ENOSPC);
}

TEST(ReadFile, ReadsFilesThatSayTheyAreEmpty) {
  auto text = ReadTextFile("/proc/self/status", 1 << 20);
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("Pid:"), std::string::npos);
}

TEST(ReadFile, StopsAtItsLimit) {
  makers::TempFile file(Pattern(1, 1000));
  EXPECT_TRUE(ReadFile(file.path(), 1000));
  auto too_large = ReadFile(file.path(), 999);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code(), ErrorCode::kLimit);
}

TEST(SyncParentDirectory, FindsTheDirectoryOfAnyPath) {
  makers::TempDir dir;
  EXPECT_TRUE(SyncParentDirectory(dir.File("x")));
  EXPECT_TRUE(SyncParentDirectory("relative"));
  EXPECT_FALSE(SyncParentDirectory("/no/such/x"));
}

}  // namespace
}  // namespace hmem
