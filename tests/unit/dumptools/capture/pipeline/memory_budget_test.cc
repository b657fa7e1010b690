// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/memory_budget.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hmem::capture {
namespace {

constexpr uint64_t kMiB = 1 << 20;

MemoryRequest Request(const char* codec, unsigned workers) {
  return {.workers = workers,
          .codec = *codec::FindCodec(codec),
          .level = 1,
          .page_bytes = 4096,
          .block_bytes = 64 << 10};
}

std::vector<std::string> Ids(const Findings& findings) {
  std::vector<std::string> ids;
  for (const Finding& finding : findings.all()) ids.push_back(finding.id);
  return ids;
}

TEST(MemoryBudget, GivesUpWorkersThenCompressionThenSaysThatItIsTooMuch) {
  const MemoryRequest asked = Request("lz4", 4);
  const ProcessMemory now{.anonymous = 5 * kMiB};
  const auto bytes = [&](unsigned workers, bool compress) {
    return *now.anonymous + CaptureBytes(asked, workers, compress);
  };
  struct {
    uint64_t limit;
    unsigned workers;
    bool compress, fits;
    std::vector<std::string> told;
  } const cases[] = {
      {~uint64_t{0}, 4, true, true, {}},
      {bytes(4, true), 4, true, true, {}},
      {bytes(4, true) - 1, 3, true, true, {"memory.fewer-workers"}},
      {bytes(3, true), 3, true, true, {"memory.fewer-workers"}},
      {bytes(2, true), 2, true, true, {"memory.fewer-workers"}},
      {bytes(2, true) - 1, 1, true, true, {"memory.fewer-workers"}},
      {bytes(1, true), 1, true, true, {"memory.fewer-workers"}},
      {bytes(0, true), 0, true, true, {"memory.fewer-workers"}},
      {bytes(0, true) - 1, 0, false, true, {"memory.fewer-workers", "memory.no-compression"}},
      {bytes(0, false), 0, false, true, {"memory.fewer-workers", "memory.no-compression"}},
      {bytes(0, false) - 1,
       0,
       false,
       false,
       {"memory.fewer-workers", "memory.no-compression", "memory.over-limit"}},
      {0, 0, false, false, {"memory.fewer-workers", "memory.no-compression", "memory.over-limit"}},
  };
  for (const auto& expected : cases) {
    MemoryRequest request = asked;
    request.limit_bytes = expected.limit;
    Findings findings;
    MemoryBudget budget = DecideMemory(request, now, findings);
    EXPECT_EQ(budget.workers, expected.workers) << expected.limit;
    EXPECT_EQ(budget.compress, expected.compress) << expected.limit;
    EXPECT_EQ(budget.fits, expected.fits) << expected.limit;
    EXPECT_EQ(budget.needed_bytes,
              *now.anonymous +
                  CaptureBytes(request, budget.workers, budget.compress, budget.spare_batches));
    EXPECT_EQ(Ids(findings), expected.told) << expected.limit;
    EXPECT_FALSE(findings.HasLosses());
  }
}

TEST(MemoryBudget, SpareBatchesGoFirstAndNobodyIsTold) {
  MemoryRequest request = Request("lz4", 2);
  const ProcessMemory now{.anonymous = 5 * kMiB};
  for (unsigned spare : {2u, 1u, 0u}) {
    request.limit_bytes = *now.anonymous + CaptureBytes(request, 2, true, spare);
    Findings findings;
    MemoryBudget budget = DecideMemory(request, now, findings);
    EXPECT_EQ(budget.workers, 2u);
    EXPECT_EQ(budget.spare_batches, spare);
    EXPECT_EQ(budget.needed_bytes, *request.limit_bytes);
    EXPECT_TRUE(findings.all().empty());
  }
  request.workers = 0;
  request.limit_bytes.reset();
  Findings findings;
  EXPECT_EQ(DecideMemory(request, now, findings).spare_batches, 0u);
}

TEST(MemoryBudget, FindingsSayWhatWasGivenUpAndWhy) {
  MemoryRequest request = Request("lz4", 8);
  request.limit_bytes = 16 * kMiB;
  Findings findings;
  DecideMemory(request, {.anonymous = 2 * kMiB}, findings);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].text, "the memory limit of 16384 KiB has room for 2 of 8 workers");
}

TEST(MemoryBudget, NobodyIsToldOfCompressionThatWasNotAskedFor) {
  MemoryRequest request = Request("none", 0);
  request.limit_bytes = 0;
  Findings findings;
  EXPECT_FALSE(DecideMemory(request, {}, findings).compress);
  EXPECT_EQ(Ids(findings), std::vector<std::string>{"memory.over-limit"});
}

TEST(MemoryBudget, WithoutALimitItIsHalfOfWhatIsAvailable) {
  const ProcessMemory now{.anonymous = 10 * kMiB, .available = 30 * kMiB};
  EXPECT_EQ(MemoryLimit(now), 25 * kMiB);
  Findings findings;
  MemoryBudget budget = DecideMemory(Request("lz4", 8), now, findings);
  EXPECT_EQ(budget.limit_bytes, 25 * kMiB);
  EXPECT_EQ(budget.workers, 2u);
}

TEST(MemoryBudget, WhereNothingIsKnownNothingIsGivenUp) {
  EXPECT_FALSE(MemoryLimit({}));
  Findings findings;
  MemoryBudget budget = DecideMemory(Request("zstd", 64), {}, findings);
  EXPECT_EQ(budget.workers, 64u);
  EXPECT_TRUE(budget.compress && budget.fits);
  EXPECT_TRUE(findings.all().empty());
}

TEST(MemoryBudget, NoCodecTakesMuchBesideTheBatches) {
  for (const codec::Codec* codec : codec::AllCodecs()) {
    MemoryRequest request = Request("lz4", 2);
    request.codec = codec;
    EXPECT_LE(CaptureBytes(request, 3, true) - CaptureBytes(request, 2, true), 11 * kMiB / 2)
        << codec->name;
    // One thread, whatever it packs with, is far from what a capture kernel has.
    EXPECT_LE(CaptureBytes(request, 0, true), 6 * kMiB) << codec->name;
  }
}

}  // namespace
}  // namespace hmem::capture
