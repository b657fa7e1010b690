// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/dump_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>
#include <thread>

#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using makers::Pattern;
using makers::TempFile;

constexpr uint64_t kWindow = 64 * 1024;
constexpr size_t kFileBytes = 5 * kWindow + 1234;

class EitherAccess : public testing::TestWithParam<DumpFile::Access> {
 protected:
  EitherAccess() : bytes_(Pattern(1, kFileBytes)), temp_(bytes_) {}

  DumpFile Open() {
    auto file = DumpFile::OpenAs(temp_.path(), GetParam(), kWindow);
    EXPECT_TRUE(file);
    return *std::move(file);
  }

  std::vector<std::byte> bytes_;
  TempFile temp_;
};

INSTANTIATE_TEST_SUITE_P(DumpFile, EitherAccess,
                         testing::Values(DumpFile::Access::kPread, DumpFile::Access::kMapWindows),
                         [](const auto& param) {
                           return param.param == DumpFile::Access::kPread ? "Pread" : "MapWindows";
                         });

TEST_P(EitherAccess, ReadsTheSameBytesHoweverItIsAsked) {
  DumpFile file = Open();
  EXPECT_EQ(file.size_bytes(), kFileBytes);
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    uint64_t offset = random() % kFileBytes;
    size_t size = i % 2 == 0 ? random() % 100 : random() % (2 * kWindow);
    std::vector<std::byte> out(size);
    auto n = file.ReadSome(offset, out);
    ASSERT_TRUE(n);
    ASSERT_EQ(*n, std::min<uint64_t>(size, kFileBytes - offset));
    ASSERT_TRUE(std::equal(out.begin(), out.begin() + static_cast<ptrdiff_t>(*n),
                           bytes_.begin() + static_cast<ptrdiff_t>(offset)));
  }
}

TEST_P(EitherAccess, ReadsAllOfItInPageSteps) {
  DumpFile file = Open();
  std::vector<std::byte> all(kFileBytes);
  for (size_t at = 0; at < kFileBytes; at += 4096) {
    ASSERT_TRUE(file.Read(at, std::span(all).subspan(at, std::min<size_t>(4096, kFileBytes - at))));
  }
  EXPECT_EQ(all, bytes_);
}

TEST_P(EitherAccess, NamesTheOffsetBehindTheEnd) {
  DumpFile file = Open();
  std::vector<std::byte> out(100);
  Status status = file.Read(kFileBytes - 10, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kTruncated);
  EXPECT_THAT(status.error().ToString(), testing::HasSubstr("the file ends after 10"));
  EXPECT_FALSE(file.Read(kFileBytes, out));
  EXPECT_FALSE(file.Read(~uint64_t{0} - 50, out));
  EXPECT_FALSE(file.Read(~uint64_t{0} / 2, out));
}

TEST_P(EitherAccess, ServesSeveralThreads) {
  DumpFile file = Open();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::vector<std::byte> out(512);
      for (int i = 0; i < 500; ++i) {
        uint64_t offset = random() % (kFileBytes - out.size());
        ASSERT_TRUE(file.Read(offset, out));
        ASSERT_TRUE(
            std::equal(out.begin(), out.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset)));
      }
    });
  }
}

TEST(DumpFile, AFileCutWhileItIsReadIsAnError) {
  TempFile temp(Pattern(1, 100000));
  auto file = DumpFile::Open(temp.path(), kWindow);
  ASSERT_TRUE(file);
  temp.Resize(1000);
  std::vector<std::byte> out(50000);
  Status status = file->Read(40000, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kTruncated);
}

DumpFile Mapped(const TempFile& temp) {
  auto file = DumpFile::OpenAs(temp.path(), DumpFile::Access::kMapWindows, kWindow);
  EXPECT_TRUE(file);
  return *std::move(file);
}

TEST(DumpFile, LendsWhatIsMapped) {
  std::vector<std::byte> bytes = Pattern(1, kFileBytes);
  TempFile temp(bytes);
  DumpFile file = Mapped(temp);
  auto lent = file.Borrow(4096 + 77, 3 * kWindow);
  ASSERT_TRUE(lent);
  // Reading elsewhere, through windows that come and go, does not take it away.
  std::vector<std::byte> out(kFileBytes);
  ASSERT_TRUE(file.Read(0, out));
  DumpFile moved = std::move(file);
  EXPECT_TRUE(std::ranges::equal(*lent, std::span(bytes).subspan(4096 + 77, 3 * kWindow)));
  EXPECT_TRUE(moved.Borrow(kFileBytes - 1, 1));
}

TEST(DumpFile, LendsNothingThatIsNotThereOrNotMapped) {
  TempFile temp(Pattern(1, kFileBytes));
  DumpFile file = Mapped(temp);
  EXPECT_FALSE(file.Borrow(0, 0));
  EXPECT_FALSE(file.Borrow(kFileBytes - 1, 2));
  EXPECT_FALSE(file.Borrow(~uint64_t{0}, 2));
  auto read = DumpFile::Open(temp.path(), kWindow);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->Borrow(0, 100));
}

TEST(DumpFile, DoesNotLendWhatCannotBeReadToItsEnd) {
  TempFile temp(Pattern(1, kWindow));
  DumpFile file = Mapped(temp);
  temp.Resize(2 * 4096);
  EXPECT_TRUE(file.Borrow(4096, 4096));
  EXPECT_FALSE(file.Borrow(4096, 4097));
}

TEST(DumpFile, LendsOnlySoOften) {
  TempFile temp(Pattern(1, kWindow));
  DumpFile file = Mapped(temp);
  int lent = 0;
  while (lent < 100 && file.Borrow(0, 4096)) ++lent;
  EXPECT_GE(lent, 4);
  EXPECT_LT(lent, 100);
}

TEST(DumpFile, AMappedPageThatCannotBeReadIsAnErrorForGood) {
  std::vector<std::byte> bytes = Pattern(1, kWindow);
  TempFile temp(bytes);
  auto file = DumpFile::OpenAs(temp.path(), DumpFile::Access::kMapWindows, kWindow);
  ASSERT_TRUE(file);
  std::vector<std::byte> all(bytes.size());
  ASSERT_TRUE(file->Read(0, all));  // mapped from here on
  temp.Resize(2 * 4096);
  Status status = file->Read(0, all);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kIo);
  EXPECT_EQ(status.error().errno_value(), EIO);
  std::vector<std::byte> page(4096);
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(file->Read(i * 4096, page)) << i;
    EXPECT_TRUE(
        std::equal(page.begin(), page.end(), bytes.begin() + static_cast<ptrdiff_t>(i * 4096)));
  }
  EXPECT_EQ(file->Read(2 * 4096 + 8, std::span(page).first(8)).error().code(), ErrorCode::kIo);
  temp.Resize(kWindow);  // readable again, and not asked again
  EXPECT_EQ(file->Read(2 * 4096, page).error().code(), ErrorCode::kIo);
}

TEST(DumpFile, KnowsProcfs) {
  auto file = DumpFile::Open("/proc/self/maps", kWindow);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->is_procfs());
  std::vector<std::byte> out(16);
  EXPECT_TRUE(file->Read(0, out));
}

TEST(DumpFile, ReadsOnWhereMappingFails) {
  // Files of procfs other than the memory ones cannot be mapped.
  auto file = DumpFile::OpenAs("/proc/self/auxv", DumpFile::Access::kMapWindows, kWindow);
  ASSERT_TRUE(file);
  std::vector<std::byte> out(16);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(file->Read(0, out));
}

TEST(DumpFile, RefusesWhatIsNoFile) {
  makers::TempDir dir;
  auto directory = DumpFile::Open(dir.path(), kWindow);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(directory.error().ToString(), testing::HasSubstr("a directory"));
  ASSERT_EQ(::mkfifo(dir.File("fifo").c_str(), 0600), 0);
  auto fifo = DumpFile::Open(dir.File("fifo"), kWindow);
  ASSERT_FALSE(fifo);
  EXPECT_EQ(fifo.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::source
