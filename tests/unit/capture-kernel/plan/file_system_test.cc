// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/file_system.h"

#include <gtest/gtest.h>

#include <vector>

#include "hmem/base/endian.h"

namespace hmem::plan {
namespace {

std::vector<std::byte> Blank() { return std::vector<std::byte>(kFileSystemProbeBytes); }

std::vector<std::byte> Ext4() {
  auto bytes = Blank();
  Store<uint16_t>(bytes.data() + 0x438, 0xef53, Endian::kLittle);
  for (size_t i = 0; i < 16; ++i) bytes[0x468 + i] = static_cast<std::byte>(0x10 + i);
  return bytes;
}

std::vector<std::byte> Xfs() {
  auto bytes = Blank();
  Store<uint32_t>(bytes.data(), 0x58465342, Endian::kBig);
  for (size_t i = 0; i < 16; ++i) bytes[32 + i] = static_cast<std::byte>(0xf0 + i);
  return bytes;
}

TEST(FileSystem, KnowsExt4AndItsUuid) {
  auto id = IdentifyFileSystem(Ext4());
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, (FileSystemId{"ext4", "10111213-1415-1617-1819-1a1b1c1d1e1f"}));
}

TEST(FileSystem, KnowsXfsAndItsUuid) {
  auto id = IdentifyFileSystem(Xfs());
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, (FileSystemId{"xfs", "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff"}));
}

TEST(FileSystem, SaysNotFoundOfAnEmptyDisk) {
  EXPECT_EQ(IdentifyFileSystem(Blank()).error().code(), ErrorCode::kNotFound);
}

TEST(FileSystem, DoesNotTakeAnExternalJournalForAFileSystem) {
  auto bytes = Ext4();
  Store<uint32_t>(bytes.data() + 0x460, 0x0008, Endian::kLittle);
  EXPECT_EQ(IdentifyFileSystem(bytes).error().code(), ErrorCode::kNotFound);
}

TEST(FileSystem, RefusesADiskShorterThanASuperblock) {
  auto bytes = Ext4();
  bytes.resize(0x470);
  EXPECT_EQ(IdentifyFileSystem(bytes).error().code(), ErrorCode::kTruncated);
}

TEST(FileSystem, NamesThePathItCannotOpen) {
  auto id = IdentifyFileSystemOn("/nonexistent/disk");
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code(), ErrorCode::kIo);
  EXPECT_NE(id.error().ToString().find("/nonexistent/disk"), std::string::npos);
}

}  // namespace
}  // namespace hmem::plan
