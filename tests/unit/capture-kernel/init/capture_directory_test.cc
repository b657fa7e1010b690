// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/capture_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "hmem/base/fd.h"
#include "tests/makers/temp_file.h"

namespace hmem::init {
namespace {

namespace fs = std::filesystem;

constexpr std::time_t kWhen = 1'795'344'605;  // 2026-11-22T10:50:05Z

class CaptureDirectoryTest : public testing::Test {
 protected:
  CaptureDirectory Create() {
    return CaptureDirectory::Create(base_.path() + "/var/crash", kWhen).value();
  }
  static void Touch(const std::string& path) { std::ofstream(path) << "x"; }

  makers::TempDir base_;
};

TEST_F(CaptureDirectoryTest, IsNamedAfterTheTimeInUtc) {
  CaptureDirectory directory = Create();
  EXPECT_EQ(directory.name(), "hmem-20261122T105005Z");
  EXPECT_EQ(directory.path(), base_.path() + "/var/crash/hmem-20261122T105005Z");
}

TEST_F(CaptureDirectoryTest, NeverTakesADirectoryThatIsThere) {
  Create();
  EXPECT_EQ(Create().name(), "hmem-20261122T105005Z-1");
  EXPECT_EQ(Create().name(), "hmem-20261122T105005Z-2");
}

TEST_F(CaptureDirectoryTest, IsForRootOnly) {
  struct stat st;
  ASSERT_EQ(::stat(Create().path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}

TEST_F(CaptureDirectoryTest, SaysWhereItCannotBeMade) {
  Touch(base_.File("file"));
  auto directory = CaptureDirectory::Create(base_.File("file") + "/crash", kWhen);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code(), ErrorCode::kIo);
  EXPECT_NE(directory.error().ToString().find("/file/crash"), std::string::npos);
}

TEST_F(CaptureDirectoryTest, KnowsARecordAndADumpByTheirFinalNames) {
  CaptureDirectory directory = Create();
  Touch(directory.File("dump.hmem.incomplete"));
  EXPECT_FALSE(directory.HasRecord());
  EXPECT_FALSE(directory.HasDump());
  Touch(directory.File("first-failure.pb"));
  Touch(directory.File("dump.hmem"));
  EXPECT_TRUE(directory.HasRecord());
  EXPECT_TRUE(directory.HasDump());
}

TEST_F(CaptureDirectoryTest, KeepsAttemptsUntilADumpIsThere) {
  CaptureDirectory directory = Create();
  Touch(directory.File("dump.hmem.incomplete"));
  ASSERT_TRUE(directory.KeepAttempt(1));
  Touch(directory.File("dump.hmem.incomplete"));
  ASSERT_TRUE(directory.KeepAttempt(2));
  ASSERT_TRUE(directory.KeepAttempt(3));  // left nothing behind
  EXPECT_TRUE(fs::exists(directory.File("dump.attempt1.hmem.incomplete")));
  EXPECT_TRUE(fs::exists(directory.File("dump.attempt2.hmem.incomplete")));
  Touch(directory.File("dump.hmem"));
  ASSERT_TRUE(directory.RemoveAttempts());
  EXPECT_FALSE(fs::exists(directory.File("dump.attempt1.hmem.incomplete")));
  EXPECT_FALSE(fs::exists(directory.File("dump.attempt2.hmem.incomplete")));
  EXPECT_TRUE(fs::exists(directory.File("dump.hmem")));
}

TEST_F(CaptureDirectoryTest, SyncsAFileAndItsName) {
  CaptureDirectory directory = Create();
  EXPECT_EQ(directory.Sync(kRecordFile).error().errno_value(), ENOENT);
  Touch(directory.File(kRecordFile));
  EXPECT_TRUE(directory.Sync(kRecordFile));
}

TEST_F(CaptureDirectoryTest, MakesEveryDirectoryAboveIt) {
  auto directory = CaptureDirectory::Create(base_.File("a/b/c"), kWhen);
  ASSERT_TRUE(directory) << directory.error().ToString();
  EXPECT_TRUE(fs::is_directory(base_.File("a/b/c")));
}

TEST_F(CaptureDirectoryTest, WritesTheLogBesideTheDump) {
  CaptureDirectory directory = Create();
  ASSERT_TRUE(directory.WriteLog("capture kernel up\n"));
  std::ifstream in(directory.File("capture.log"));
  std::string line;
  std::getline(in, line);
  EXPECT_EQ(line, "capture kernel up");
}

}  // namespace
}  // namespace hmem::init
