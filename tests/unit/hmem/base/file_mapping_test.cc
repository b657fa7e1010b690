// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/file_mapping.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "hmem/base/fd.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem {
namespace {

TEST(FileMapping, ShowsTheBytesAtItsOffset) {
  std::vector<std::byte> bytes = makers::Pattern(1, 3 * 4096);
  makers::TempFile file(bytes);
  auto fd = OpenFile(file.path(), O_RDONLY);
  ASSERT_TRUE(fd);
  auto mapping = FileMapping::Map(fd->get(), 4096, 8192, file.path());
  ASSERT_TRUE(mapping);
  fd->Reset();
  ASSERT_EQ(mapping->bytes().size(), 8192u);
  EXPECT_TRUE(std::equal(mapping->bytes().begin(), mapping->bytes().end(), bytes.begin() + 4096));
  FileMapping moved = *std::move(mapping);
  EXPECT_TRUE(mapping->bytes().empty());
  EXPECT_EQ(moved.bytes()[0], bytes[4096]);
}

TEST(FileMapping, NamesPathAndOffsetWhenItCannotMap) {
  makers::TempFile file(makers::Pattern(1));
  auto fd = OpenFile(file.path(), O_RDONLY);
  ASSERT_TRUE(fd);
  auto mapping = FileMapping::Map(fd->get(), 1, 4096, "place");
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().errno_value(), EINVAL);
  EXPECT_TRUE(mapping.error().ToString().starts_with("place: offset 0x1: mmap of 4096 bytes"));
}

}  // namespace
}  // namespace hmem
