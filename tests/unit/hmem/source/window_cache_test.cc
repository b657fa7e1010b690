// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/window_cache.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "hmem/base/fd.h"
#include "tests/makers/pattern.h"

namespace hmem::source {
namespace {

using makers::Pattern;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kWindow = 16 * kPage;

class WindowCacheTest : public testing::Test {
 protected:
  WindowCacheTest()
      : bytes_(Pattern(1, 4 * kWindow)), file_(::memfd_create("windows", MFD_CLOEXEC)) {
    EXPECT_TRUE(PwriteAll(file_.get(), bytes_, 0, "windows"));
  }

  WindowCache Make() {
    return {kWindow, "windows", [this](uint64_t offset, size_t bytes) {
              asked_.emplace_back(offset, bytes);
              return FileMapping::Map(file_.get(), offset, bytes, "windows");
            }};
  }
  bool Same(uint64_t offset, std::span<const std::byte> out) const {
    return std::equal(out.begin(), out.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset));
  }

  std::vector<std::byte> bytes_;
  UniqueFd file_;
  std::vector<std::pair<uint64_t, size_t>> asked_;
};

TEST_F(WindowCacheTest, StaysInsideItsBounds) {
  WindowCache cache = Make();
  std::vector<std::byte> out(kWindow);
  auto n = cache.Copy(5 * kPage + 10, out, {.start = 3 * kPage, .end = 9 * kPage});
  ASSERT_TRUE(n);
  ASSERT_EQ(*n, 4 * kPage - 10);
  EXPECT_TRUE(Same(5 * kPage + 10, std::span(out).first(*n)));
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0], (std::pair<uint64_t, size_t>(3 * kPage, 6 * kPage)));
  // Mapped already, whatever the size.
  n = cache.Copy(3 * kPage, std::span(out).first(8), {.start = 3 * kPage, .end = 9 * kPage});
  ASSERT_TRUE(n);
  EXPECT_EQ(*n, 8u);
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(WindowCacheTest, AnotherRangeOfTheSameWindowIsMappedForItself) {
  WindowCache cache = Make();
  std::vector<std::byte> out(2 * kWindow);
  ASSERT_EQ(*cache.Copy(0, out, {.start = 0, .end = 2 * kPage}), 2 * kPage);
  ASSERT_EQ(*cache.Copy(8 * kPage, out, {.start = 8 * kPage, .end = 10 * kPage}), 2 * kPage);
  EXPECT_TRUE(Same(8 * kPage, std::span(out).first(2 * kPage)));
  EXPECT_EQ(asked_.size(), 2u);
}

TEST_F(WindowCacheTest, SmallReadsGetAWindowWhenTheyStay) {
  WindowCache cache = Make();
  std::vector<std::byte> out(100);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*cache.Copy(0, out, {.start = 0, .end = kWindow}), 0u) << i;
  EXPECT_EQ(*cache.Copy(200, out, {.start = 0, .end = kWindow}), 100u);
  EXPECT_TRUE(Same(200, out));
}

TEST_F(WindowCacheTest, ThreadsKeepTheWindowTheyAreInWhenOthersPutItOut) {
  WindowCache cache = Make();
  std::vector<std::jthread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::vector<std::byte> out(kWindow);
      for (uint64_t i = 0; i < 200; ++i) {
        const uint64_t at = (thread + i) % 4 * kWindow;
        auto n = cache.Copy(at, out, {.start = 0, .end = 4 * kWindow});
        ASSERT_TRUE(n);
        ASSERT_EQ(*n, kWindow);
        ASSERT_TRUE(Same(at, out));
      }
    });
  }
  threads.clear();
  EXPECT_GT(asked_.size(), 4u);
}

TEST_F(WindowCacheTest, AThreadsFaultIsEverybodysUnreadablePage) {
  WindowCache cache = Make();
  ASSERT_EQ(::ftruncate(file_.get(), 3 * kPage), 0);
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      std::vector<std::byte> out(kWindow);
      auto n = cache.Copy(0, out, {.start = 0, .end = kWindow});
      ASSERT_FALSE(n);
      EXPECT_EQ(n.error().ToString(), "windows: offset 0x3000: memory error: Input/output error");
    });
  }
  threads.clear();
  EXPECT_TRUE(cache.CheckReadable(0, 3 * kPage));
  EXPECT_FALSE(cache.CheckReadable(3 * kPage, 1));
}

TEST_F(WindowCacheTest, GivesUpOnMappingThatFails) {
  int asked = 0;
  WindowCache cache(kWindow, "windows", [&](uint64_t, size_t) -> Result<FileMapping> {
    ++asked;
    return FailErrno("windows", ENODEV);
  });
  std::vector<std::byte> out(kWindow);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(*cache.Copy(0, out, {.start = 0, .end = kWindow}), 0u);
  EXPECT_EQ(asked, 4);
  EXPECT_TRUE(cache.gave_up());
}

TEST_F(WindowCacheTest, LendsWhatStaysWhateverIsReadLater) {
  WindowCache cache = Make();
  const WindowCache::Bounds bounds{.start = 0, .end = 4 * kWindow - 10};
  auto lent = cache.Lend(4 * kWindow - 2 * kPage - 5, 2 * kPage - 5, bounds);
  ASSERT_TRUE(lent);
  EXPECT_EQ(asked_.back(), (std::pair<uint64_t, size_t>(4 * kWindow - 3 * kPage, 3 * kPage - 10)));
  std::vector<std::byte> out(kWindow);
  for (uint64_t at = 0; at < 3 * kWindow; at += kWindow) ASSERT_TRUE(cache.Copy(at, out, bounds));
  EXPECT_TRUE(Same(4 * kWindow - 2 * kPage - 5, *lent));
}

TEST_F(WindowCacheTest, LendsOnlySoMuch) {
  WindowCache cache = Make();
  const WindowCache::Bounds bounds{.start = 0, .end = uint64_t{1} << 40};
  EXPECT_FALSE(cache.Lend(0, 0, bounds));
  EXPECT_FALSE(cache.Lend(0, (uint64_t{64} << 20) + 1, bounds));
  EXPECT_TRUE(asked_.empty());
  while (asked_.size() < 100 && cache.Lend(0, kPage, bounds)) {
  }
  EXPECT_EQ(asked_.size(), 16u);
}

TEST_F(WindowCacheTest, RemembersWhichPagesCannotBeRead) {
  WindowCache cache = Make();
  for (uint64_t page : {7, 3, 4, 5, 4}) cache.MarkUnreadable(page * kPage + 17);
  EXPECT_TRUE(cache.CheckReadable(0, 3 * kPage));
  EXPECT_TRUE(cache.CheckReadable(6 * kPage, kPage));
  EXPECT_TRUE(cache.CheckReadable(8 * kPage, kPage));
  for (auto [offset, bytes, place] : {std::tuple{uint64_t{0}, 3 * kPage + 1, "offset 0x3000"},
                                      {5 * kPage, 1, "offset 0x5000"},
                                      {6 * kPage - 1, kPage, "offset 0x5000"},
                                      {6 * kPage, 2 * kPage, "offset 0x7000"}}) {
    Status status = cache.CheckReadable(offset, bytes);
    ASSERT_FALSE(status) << offset;
    EXPECT_EQ(status.error().errno_value(), EIO);
    EXPECT_EQ(status.error().ToString(),
              std::string("windows: ") + place + ": memory error: Input/output error");
  }
  std::vector<std::byte> out(kWindow);
  EXPECT_FALSE(cache.Copy(0, out, {.start = 0, .end = kWindow}));
  EXPECT_TRUE(asked_.empty());
}

}  // namespace
}  // namespace hmem::source
