// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/lru_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace hmem::source {
namespace {

TEST(LruCache, GivesBackWhatWasPut) {
  LruCache<int, std::string> cache(2);
  EXPECT_EQ(cache.Get(1), nullptr);
  EXPECT_EQ(*cache.Put(1, "one"), "one");
  ASSERT_NE(cache.Get(1), nullptr);
  EXPECT_EQ(*cache.Get(1), "one");
}

TEST(LruCache, DropsWhatWasUsedLeastRecently) {
  LruCache<int, std::string> cache(2);
  cache.Put(1, "one");
  cache.Put(2, "two");
  cache.Get(1);
  cache.Put(3, "three");
  EXPECT_NE(cache.Get(1), nullptr);
  EXPECT_EQ(cache.Get(2), nullptr);
  EXPECT_NE(cache.Get(3), nullptr);
}

TEST(LruCache, PutReplacesWithoutLosingTheOthers) {
  LruCache<int, std::string> cache(2);
  cache.Put(1, "one");
  cache.Put(2, "two");
  cache.Put(1, "uno");
  ASSERT_NE(cache.Get(2), nullptr);
  ASSERT_NE(cache.Get(1), nullptr);
  EXPECT_EQ(*cache.Get(1), "uno");
  cache.Put(3, "three");  // drops 2; the replaced "one" is gone for good
  EXPECT_EQ(*cache.Get(1), "uno");
  EXPECT_EQ(cache.Get(2), nullptr);
}

}  // namespace
}  // namespace hmem::source
