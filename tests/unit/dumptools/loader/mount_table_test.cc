// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/mount_table.h"

#include <gtest/gtest.h>

namespace hmem::loader {
namespace {

constexpr std::string_view kTable =
    "21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
    "22 21 254:16 /data /var ro,relatime - xfs /dev/vdb rw\n"
    "23 21 254:17 / /var/my\\040crash rw shared:2 master:1 - ext4 /dev/vdc ro\n"
    "24 22 0:30 / /var rw - tmpfs tmpfs rw\n";

TEST(MountTable, ReadsEveryField) {
  auto mounts = ParseMountTable(kTable);
  ASSERT_TRUE(mounts) << mounts.error().ToString();
  ASSERT_EQ(mounts->size(), 4u);
  const Mount& var = (*mounts)[1];
  EXPECT_EQ(var.device, "254:16");
  EXPECT_EQ(var.root, "/data");
  EXPECT_EQ(var.mount_point, "/var");
  EXPECT_EQ(var.type, "xfs");
  EXPECT_EQ(var.source, "/dev/vdb");
}

TEST(MountTable, ReadOnlyComesFromTheMountOrFromTheFileSystem) {
  auto mounts = ParseMountTable(kTable).value();
  EXPECT_FALSE(mounts[0].read_only);
  EXPECT_TRUE(mounts[1].read_only);
  EXPECT_TRUE(mounts[2].read_only);
}

TEST(MountTable, UnescapesBlanks) {
  EXPECT_EQ(ParseMountTable(kTable).value()[2].mount_point, "/var/my crash");
}

TEST(MountTable, TheLongestMountPointWinsAndOfTwoTheLater) {
  auto mounts = ParseMountTable(kTable).value();
  EXPECT_EQ(MountOf(mounts, "/home")->type, "ext4");
  EXPECT_EQ(MountOf(mounts, "/var/crash")->type, "tmpfs");
  EXPECT_EQ(MountOf(mounts, "/var/my crash/x")->source, "/dev/vdc");
  EXPECT_EQ(MountOf(mounts, "/variable")->mount_point, "/");
  EXPECT_EQ(MountOf({}, "/"), nullptr);
}

TEST(MountTable, NamesTheLineItCannotRead) {
  auto mounts = ParseMountTable("21 1 254:1 / / rw - ext4 /dev/vda1 rw\nrubbish\n");
  ASSERT_FALSE(mounts);
  EXPECT_EQ(mounts.error().ToString(), "mountinfo: line 2: not a mount");
}

}  // namespace
}  // namespace hmem::loader
