// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/record_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "dumptools/firstfailure/record_builder.h"

namespace hmem::firstfailure {
namespace {

v1::FirstFailure Whole() {
  v1::FirstFailure record;
  record.set_schema_version(kSchemaVersion);
  record.mutable_identity()->set_crash_id("00112233445566778899aabbccddeeff");
  record.mutable_cause()->set_panic_message("told");
  record.set_whole(true);
  return record;
}

class RecordStore : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/record_store_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path(std::string_view name = kRecordFileName) const {
    return folder_ + "/" + std::string(name);
  }

  std::string folder_;
};

TEST_F(RecordStore, ReadsBackWhatWasWritten) {
  ASSERT_TRUE(WriteRecord(Path(), Whole()).has_value());
  auto record = ReadRecord(Path());
  ASSERT_TRUE(record.has_value()) << record.error().ToString();
  EXPECT_EQ(record->cause().panic_message(), "told");
  EXPECT_FALSE(std::filesystem::exists(Path() + ".incomplete"));
}

TEST_F(RecordStore, NeverOverwrites) {
  std::ofstream(Path()) << "precious";
  auto status = WriteRecord(Path(), Whole());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kIo);
  EXPECT_EQ(status.error().errno_value(), EEXIST);
  EXPECT_EQ(std::filesystem::file_size(Path()), 8u);
}

TEST_F(RecordStore, ReplacesALeftoverOfAnEarlierAttempt) {
  std::ofstream(Path() + ".incomplete") << "half a record, longer than nothing";
  ASSERT_TRUE(WriteRecord(Path(), Whole()).has_value());
  EXPECT_TRUE(ReadRecord(Path()).has_value());
}

TEST_F(RecordStore, AMissingFolderIsNamed) {
  auto status = WriteRecord(Path("none/first-failure.pb"), Whole());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().errno_value(), ENOENT);
  EXPECT_NE(status.error().ToString().find("none/first-failure.pb"), std::string::npos);
}

TEST_F(RecordStore, RefusesAnUnfinishedRecord) {
  v1::FirstFailure record = Whole();
  record.clear_whole();
  auto status = WriteRecord(Path(), record);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(RecordStore, RefusesARecordOverItsSize) {
  v1::FirstFailure record = Whole();
  record.mutable_kernel()->set_banner(std::string(kMaxRecordBytes, 'x'));
  auto status = WriteRecord(Path(), record);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), ErrorCode::kLimit);
}

std::vector<std::byte> Bytes(std::string_view text) {
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(ParseRecord, AnEmptyFileIsTruncated) {
  auto record = ParseRecord({}, "x");
  ASSERT_FALSE(record.has_value());
  EXPECT_EQ(record.error().code(), ErrorCode::kTruncated);
  EXPECT_EQ(record.error().ToString(), "x: empty");
}

TEST(ParseRecord, OtherBytesAreNotMine) {
  auto record = ParseRecord(Bytes("\x7f"
                                  "ELF and more"),
                            "x");
  ASSERT_FALSE(record.has_value());
  EXPECT_EQ(record.error().code(), ErrorCode::kUnsupported);
}

TEST(ParseRecord, EveryCutIsNoticed) {
  auto whole = SerializeRecord(Whole());
  ASSERT_TRUE(whole.has_value());
  for (size_t size = 0; size < whole->size(); ++size) {
    EXPECT_FALSE(ParseRecord(Bytes(std::string_view(*whole).substr(0, size)), "x").has_value())
        << size;
  }
}

TEST(ParseRecord, ALaterSchemaIsNotSupported) {
  v1::FirstFailure record = Whole();
  record.set_schema_version(99);
  auto parsed = ParseRecord(Bytes(record.SerializeAsString()), "x");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(parsed.error().ToString().find("99"), std::string::npos);
}

TEST(ParseRecord, DamageIsCorrupt) {
  auto bytes = SerializeRecord(Whole());
  ASSERT_TRUE(bytes.has_value());
  // The length of the identity, made larger than what follows.
  (*bytes)[3] = '\x7f';
  auto parsed = ParseRecord(Bytes(*bytes), "x");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace hmem::firstfailure
