// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/anonymous_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace hmem {
namespace {

TEST(AnonymousMemory, IsResidentAndZeroWhenItIsTaken) {
  constexpr size_t kBytes = 1 << 20;
  auto memory = AnonymousMemory::Take(kBytes);
  ASSERT_TRUE(memory) << memory.error().ToString();
  ASSERT_EQ(memory->bytes().size(), kBytes);
  std::vector<unsigned char> resident(kBytes / static_cast<size_t>(::sysconf(_SC_PAGESIZE)));
  ASSERT_EQ(::mincore(memory->bytes().data(), kBytes, resident.data()), 0);
  EXPECT_TRUE(std::ranges::all_of(resident, [](unsigned char page) { return (page & 1) != 0; }));
  EXPECT_TRUE(std::ranges::all_of(memory->bytes(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST(AnonymousMemory, SaysWhenThereIsNotSoMuch) {
  auto memory = AnonymousMemory::Take(size_t{1} << 62);
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().code(), ErrorCode::kLimit);
  EXPECT_TRUE(memory.error().ToString().starts_with("no 4611686018427387904 bytes of memory"));
}

TEST(AnonymousMemory, HasOneOwner) {
  auto memory = AnonymousMemory::Take(4096);
  ASSERT_TRUE(memory);
  const std::byte* start = memory->bytes().data();
  AnonymousMemory moved = *std::move(memory);
  EXPECT_TRUE(memory->bytes().empty());  // NOLINT(bugprone-use-after-move): that it is
  EXPECT_EQ(moved.bytes().data(), start);
  moved.Reset();
  EXPECT_TRUE(moved.bytes().empty());
  EXPECT_FALSE(moved.locked());
}

}  // namespace
}  // namespace hmem
