// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/batch_pool.h"

#include <gtest/gtest.h>

#include <atomic>

namespace hmem::capture {
namespace {

TEST(BatchPool, CountsTheWorkersThatAreReadyAndUsesThemAlone) {
  std::atomic<int> tries = 0;
  auto prepare = [&]() -> Status {
    if (++tries > 2) return Fail(ErrorCode::kLimit, "no memory");
    return {};
  };
  BatchPool pool(5, prepare, [](PageBatch& batch) -> Status {
    batch.set_tier(7);
    return {};
  });
  EXPECT_EQ(tries, 5);
  ASSERT_EQ(pool.workers(), 2u);
  PageBatch first(4096), second(4096), third(4096);
  for (PageBatch* batch : {&first, &second, &third}) pool.Submit(*batch);
  for (PageBatch* batch : {&third, &first, &second}) {
    EXPECT_TRUE(pool.Wait(*batch));
    EXPECT_EQ(batch->tier(), 7u);
  }
}

TEST(BatchPool, WithoutOneThatIsReadyIsEmpty) {
  BatchPool pool(
      2, []() -> Status { return Fail(ErrorCode::kLimit, "no memory"); },
      [](PageBatch&) -> Status { return {}; });
  EXPECT_EQ(pool.workers(), 0u);
}

TEST(BatchPool, GivesWhatTheJobSaid) {
  BatchPool pool(
      1, []() -> Status { return {}; },
      [](PageBatch&) -> Status { return Fail(ErrorCode::kCorrupt, "bad"); });
  PageBatch batch(4096);
  pool.Submit(batch);
  EXPECT_EQ(pool.Wait(batch).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace hmem::capture
