// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

#include "tests/fakes/fake_memory.h"

namespace hmem::walk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr VirtAddr kHead{0xffff888000001000};

VirtAddr Entry(uint64_t n) { return kHead + n * 0x1000; }

class List : public ::testing::Test {
 protected:
  void Link(VirtAddr from, VirtAddr to) {
    memory.PutPointer(from, to);
    memory.PutPointer(to + 8, from);
  }
  // head -> 1 -> ... -> n -> head
  void Make(uint64_t n) {
    for (uint64_t i = 0; i < n; ++i) Link(Entry(i), Entry(i + 1));
    Link(Entry(n), kHead);
  }
  std::vector<uint64_t> Walk(size_t max = 1000) {
    std::vector<uint64_t> seen;
    visited = ForEachListEntry(memory, kHead, max, "things", findings, [&](VirtAddr entry) {
      seen.push_back((entry - kHead) / 0x1000);
      return true;
    });
    EXPECT_EQ(visited, seen.size());
    return seen;
  }
  std::string FindingId() const { return findings.all().empty() ? "" : findings.all()[0].id; }

  fakes::FakeVirtMemory memory;
  Findings findings;
  size_t visited = 0;
};

TEST_F(List, VisitsAllInOrder) {
  Make(5);
  EXPECT_THAT(Walk(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(List, EmptyListHasNoEntries) {
  Link(kHead, kHead);
  EXPECT_THAT(Walk(), IsEmpty());
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(List, StopsWhenVisitorSaysSo) {
  Make(5);
  size_t n = ForEachListEntry(memory, kHead, 1000, "things", findings,
                              [&](VirtAddr entry) { return entry != Entry(3); });
  EXPECT_EQ(n, 3u);
}

TEST_F(List, ListOfExactlyTheLimitIsWhole) {
  Make(4);
  EXPECT_THAT(Walk(4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(List, LongerThanTheLimitIsCutWithAFinding) {
  Make(5);
  EXPECT_THAT(Walk(4), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(FindingId(), "walk.list.too-long");
}

TEST_F(List, LoopInTheMiddleVisitsNothingTwiceAndTheRestFromTheEnd) {
  Make(9);
  memory.PutPointer(Entry(5), Entry(3));  // 3 4 5 3 4 5 ...
  EXPECT_THAT(Walk(), ElementsAre(1, 2, 3, 4, 5, 9, 8, 7, 6));
  EXPECT_EQ(FindingId(), "walk.list.loop");
}

TEST_F(List, EntryPointingAtItselfIsALoop) {
  Make(3);
  memory.PutPointer(Entry(1), Entry(1));
  EXPECT_THAT(Walk(), ElementsAre(1, 3, 2));
  EXPECT_EQ(FindingId(), "walk.list.loop");
}

TEST_F(List, EveryLoopLengthIsMeasuredExactly) {
  for (uint64_t length = 1; length <= 20; ++length) {
    Make(40);
    memory.PutPointer(Entry(20), Entry(21 - length));
    memory.PutPointer(kHead + 8, Entry(20));  // nothing from the other end
    EXPECT_EQ(Walk().size(), 20u) << length;
  }
}

TEST_F(List, GarbagePointerKeepsWhatCameBeforeAndBehind) {
  Make(6);
  memory.PutPointer(Entry(2), VirtAddr(0xdead4ead00000000));
  EXPECT_THAT(Walk(), ElementsAre(1, 2, 6, 5, 4, 3));
  EXPECT_EQ(FindingId(), "walk.list.cut");
}

TEST_F(List, EntryThatCannotBeReadIsLeftOut) {
  Make(6);
  memory.Fail({Entry(3), Entry(4)}, ErrorCode::kExcluded);
  EXPECT_THAT(Walk(), ElementsAre(1, 2, 6, 5, 4));
  EXPECT_EQ(FindingId(), "walk.list.cut");
}

TEST_F(List, UnreadableHeadIsAFinding) {
  EXPECT_THAT(Walk(), IsEmpty());
  EXPECT_EQ(FindingId(), "walk.list.cut");
}

TEST_F(List, GarbageFirstPointerStillReachesAllFromTheEnd) {
  Make(3);
  memory.PutPointer(kHead, VirtAddr(0x10));
  EXPECT_THAT(Walk(), ElementsAre(3, 2, 1));
}

TEST(ListOf32Bits, BigEndianPointersOfFourBytes) {
  fakes::FakeVirtMemory memory(Endian::kBig, 4);
  Findings findings;
  memory.PutPointer(VirtAddr(0xc0001000), VirtAddr(0xc0002000));
  memory.PutPointer(VirtAddr(0xc0002000), VirtAddr(0xc0001000));
  EXPECT_EQ(ForEachListEntry(memory, VirtAddr(0xc0001000), 10, "things", findings,
                             [](VirtAddr) { return true; }),
            1u);
}

}  // namespace
}  // namespace hmem::walk
