// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/file_target.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "hmem/base/fd.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using makers::Bytes;
namespace fs = std::filesystem;

class FileTargetTest : public testing::Test {
 protected:
  std::string Content(const std::string& path) {
    auto text = ReadTextFile(path, 1 << 20);
    EXPECT_TRUE(text);
    return text ? *text : "";
  }

  makers::TempDir dir_;
  std::string path_ = dir_.File("dump.hmem");
  std::string incomplete_ = path_ + ".incomplete";
};

TEST_F(FileTargetTest, HasItsNameOnlyWhenWhole) {
  auto target = FileTarget::Create(path_);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->incomplete_path(), incomplete_);
  ASSERT_TRUE(target->sink().Append(Bytes("content")));
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_TRUE(fs::exists(incomplete_));
  ASSERT_TRUE(target->Commit());
  EXPECT_FALSE(fs::exists(incomplete_));
  EXPECT_EQ(Content(path_), "content");
}

TEST_F(FileTargetTest, GivesBackWhatWasReserved) {
  auto target = FileTarget::Create(path_);
  ASSERT_TRUE(target);
  ASSERT_TRUE(target->sink().Append(Bytes("content")));
  ASSERT_TRUE(target->sink().Reserve(1 << 20));
  ASSERT_TRUE(target->Commit());
  EXPECT_EQ(fs::file_size(path_), 7u);
  struct stat st;
  ASSERT_EQ(::stat(path_.c_str(), &st), 0);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
}

TEST_F(FileTargetTest, NeverOverwritesAtTheStart) {
  dir_.WriteText("dump.hmem", "mine");
  EXPECT_EQ(FileTarget::Create(path_).error().errno_value(), EEXIST);
  EXPECT_EQ(Content(path_), "mine");
  EXPECT_FALSE(fs::exists(incomplete_));
}

TEST_F(FileTargetTest, NeverOverwritesAtTheEnd) {
  auto target = FileTarget::Create(path_);
  ASSERT_TRUE(target);
  ASSERT_TRUE(target->sink().Append(Bytes("content")));
  dir_.WriteText("dump.hmem", "mine");
  EXPECT_EQ(target->Commit().error().errno_value(), EEXIST);
  EXPECT_EQ(Content(path_), "mine");
  EXPECT_EQ(Content(incomplete_), "content");
}

TEST_F(FileTargetTest, LeavesWhatAnEarlierAttemptLeft) {
  dir_.WriteText("dump.hmem.incomplete", "earlier");
  EXPECT_EQ(FileTarget::Create(path_).error().errno_value(), EEXIST);
  EXPECT_EQ(Content(incomplete_), "earlier");
}

TEST_F(FileTargetTest, MayCreateRefusesWhatCreateWould) {
  EXPECT_TRUE(FileTarget::MayCreate(path_));
  EXPECT_TRUE(fs::is_empty(dir_.path()));
  EXPECT_EQ(FileTarget::MayCreate(dir_.File("none/dump.hmem")).error().errno_value(), ENOENT);
  for (const char* name : {"dump.hmem", "dump.hmem.incomplete"}) {
    std::string there = dir_.WriteText(name, "mine");
    EXPECT_EQ(FileTarget::MayCreate(path_).error().errno_value(), EEXIST) << name;
    fs::remove(there);
  }
}

TEST_F(FileTargetTest, SaysUnderWhichNameItIs) {
  auto target = FileTarget::Create(path_);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->present_path(), incomplete_);
  dir_.WriteText("dump.hmem", "mine");
  EXPECT_FALSE(target->Commit());
  EXPECT_EQ(target->present_path(), incomplete_);
  auto other = FileTarget::Create(dir_.File("other.hmem"));
  ASSERT_TRUE(other);
  ASSERT_TRUE(other->Commit());
  EXPECT_EQ(other->present_path(), other->path());
}

TEST_F(FileTargetTest, FollowsNoLink) {
  ASSERT_EQ(::symlink(dir_.File("elsewhere").c_str(), path_.c_str()), 0);
  EXPECT_EQ(FileTarget::Create(path_).error().errno_value(), EEXIST);
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  ASSERT_EQ(::symlink(dir_.File("elsewhere").c_str(), incomplete_.c_str()), 0);
  EXPECT_FALSE(FileTarget::Create(path_));
  EXPECT_FALSE(fs::exists(dir_.File("elsewhere")));
}

TEST_F(FileTargetTest, DiscardLeavesNothing) {
  auto target = FileTarget::Create(path_);
  ASSERT_TRUE(target);
  ASSERT_TRUE(target->sink().Append(Bytes("content")));
  target->Discard();
  EXPECT_TRUE(fs::is_empty(dir_.path()));
}

TEST_F(FileTargetTest, LeaveKeepsWhatIsThere) {
  auto target = FileTarget::Create(path_);
  ASSERT_TRUE(target);
  ASSERT_TRUE(target->sink().Append(Bytes("content")));
  ASSERT_TRUE(target->sink().Reserve(1 << 20));
  ASSERT_TRUE(target->Leave());
  EXPECT_EQ(Content(incomplete_), "content");
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(FileTargetTest, AMissingDirectoryIsNamed) {
  auto target = FileTarget::Create(dir_.File("none/dump.hmem"));
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().errno_value(), ENOENT);
  EXPECT_NE(target.error().ToString().find("none/dump.hmem"), std::string::npos);
}

TEST_F(FileTargetTest, FreeBytesAreThoseOfTheDirectory) {
  auto free = FreeBytes(path_);
  ASSERT_TRUE(free);
  EXPECT_GT(*free, 0u);
  EXPECT_FALSE(FreeBytes(dir_.File("none/dump.hmem")));
}

}  // namespace
}  // namespace hmem::capture
