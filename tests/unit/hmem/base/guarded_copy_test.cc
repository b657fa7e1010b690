// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/guarded_copy.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <vector>

#include "hmem/base/fd.h"
#include "hmem/base/file_mapping.h"

namespace hmem {
namespace {

class GuardedCopyOf : public testing::Test {
 protected:
  // Two pages mapped, of a file that has one.
  void SetUp() override {
    page_ = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    fd_ = UniqueFd(::memfd_create("guarded-copy", MFD_CLOEXEC));
    ASSERT_TRUE(fd_.valid());
    ASSERT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(2 * page_)), 0);
    auto mapping = FileMapping::Map(fd_.get(), 0, 2 * page_, "memfd");
    ASSERT_TRUE(mapping);
    mapping_ = *std::move(mapping);
    ASSERT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(page_)), 0);
  }

  size_t page_ = 0;
  UniqueFd fd_;
  FileMapping mapping_;
};

TEST_F(GuardedCopyOf, APageThatIsThereCopiesIt) {
  std::vector<std::byte> out(page_, std::byte{1});
  EXPECT_FALSE(GuardedCopy(out, mapping_.bytes().first(page_)));
  EXPECT_EQ(out, std::vector<std::byte>(page_));
  EXPECT_FALSE(GuardedCopy(out, {}));
}

TEST_F(GuardedCopyOf, APageThatIsGoneNamesItEveryTime) {
  std::vector<std::byte> out(2 * page_);
  for (int i = 0; i < 3; ++i) {
    auto fault = GuardedCopy(out, mapping_.bytes());
    ASSERT_TRUE(fault);
    EXPECT_EQ(*fault / page_, 1u);
    EXPECT_FALSE(GuardedCopy(out, mapping_.bytes().first(page_)));
  }
}

TEST_F(GuardedCopyOf, SeveralThreadsDisturbsNone) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, bad = t % 2 == 0] {
      std::vector<std::byte> out(2 * page_);
      for (int i = 0; i < 200; ++i)
        EXPECT_EQ(GuardedCopy(out, mapping_.bytes().first(bad ? 2 * page_ : page_)).has_value(),
                  bad);
    });
  }
}

using GuardedCopyDeathTest = GuardedCopyOf;

TEST_F(GuardedCopyDeathTest, ABusErrorOutsideACopyKills) {
  std::vector<std::byte> out(page_);
  EXPECT_FALSE(GuardedCopy(out, mapping_.bytes().first(page_)));
  EXPECT_EXIT(::raise(SIGBUS), testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(
      {
        volatile std::byte gone = mapping_.bytes()[page_];
        (void)gone;
      },
      testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace hmem
