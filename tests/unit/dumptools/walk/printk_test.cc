// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/printk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/log_ring_maker.h"

namespace hmem::walk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr VirtAddr kRing{0xffff888000100000};

class Printk : public ::testing::Test {
 protected:
  Result<std::vector<LogRecord>> Read(const makers::LogRingMaker& ring,
                                      const LogLimits& limits = {}) {
    return ReadLog(memory, space::Vmcoreinfo::Parse(ring.Vmcoreinfo(), findings), findings, limits);
  }
  std::vector<std::string> Texts(const makers::LogRingMaker& ring, const LogLimits& limits = {}) {
    Result<std::vector<LogRecord>> log = Read(ring, limits);
    std::vector<std::string> texts;
    EXPECT_TRUE(log) << log.error().ToString();
    if (log) {
      for (const LogRecord& record : *log) texts.push_back(record.text);
    }
    return texts;
  }
  std::string FindingId() const { return findings.all().empty() ? "" : findings.all()[0].id; }

  fakes::FakeVirtMemory memory;
  Findings findings;
};

TEST_F(Printk, ReadsRecordsOldestFirst) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("Linux version 6.1").Add("second", 4, 0x80000001).Add("third", 0, 17);
  Result<std::vector<LogRecord>> log = Read(ring);
  ASSERT_TRUE(log) << log.error().ToString();
  ASSERT_EQ(log->size(), 3u);
  EXPECT_EQ((*log)[0].text, "Linux version 6.1");
  EXPECT_EQ((*log)[0].level, 6);
  EXPECT_EQ((*log)[1].sequence, 1u);
  EXPECT_EQ((*log)[1].time_ns, 1000000u);
  EXPECT_EQ((*log)[1].level, 4);
  EXPECT_EQ((*log)[1].caller_id, 0x80000001u);
  EXPECT_EQ((*log)[2].level, 0);
  EXPECT_EQ((*log)[2].caller_id, 17u);
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(Printk, EmptyRingHasNoRecords) {
  makers::LogRingMaker ring(memory, kRing, {});
  EXPECT_THAT(Texts(ring), IsEmpty());
  EXPECT_THAT(findings.all(), IsEmpty());
}

// A reader that takes the id's bytes for text prints 8 of them and loses the last 8 characters.
TEST_F(Printk, RecordThatWrapsTheDataRingIsReadWhole) {
  const std::string text = "0123456789 a record that wraps, every last one!";
  makers::LogRingMaker ring(memory, kRing, {.descriptor_bits = 4, .data_bits = 7});
  ring.Add(std::string(40, 'a')).Add(std::string(40, 'b')).Add(text);
  ASSERT_TRUE(ring.wrapped());
  EXPECT_EQ(Texts(ring).back(), text);
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(Printk, RingThatWentRoundManyTimesKeepsTheNewest) {
  makers::LogRingMaker ring(memory, kRing, {.descriptor_bits = 3, .data_bits = 8});
  for (int i = 0; i < 1000; ++i) ring.Add("record " + std::to_string(i) + std::string(i % 29, '.'));
  Result<std::vector<LogRecord>> log = Read(ring);
  ASSERT_TRUE(log);
  ASSERT_FALSE(log->empty());
  EXPECT_EQ(log->front().sequence, ring.oldest_sequence());
  EXPECT_EQ(log->back().sequence, 999u);
  for (const LogRecord& record : *log) {
    EXPECT_EQ(record.text,
              "record " + std::to_string(record.sequence) + std::string(record.sequence % 29, '.'));
  }
  EXPECT_THAT(findings.all(), IsEmpty());
}

// Kernels from 6.18 on let a block end exactly where the ring ends.
TEST_F(Printk, BlockThatEndsExactlyAtTheEndOfTheRing) {
  makers::LogRingMaker ring(memory, kRing, {.descriptor_bits = 4, .data_bits = 7});
  ring.Add("x");
  VirtAddr descriptor = ring.Descriptor(0);
  uint64_t begin = *memory.Word(descriptor + 8) + 128 - 32;
  memory.PutWord(descriptor + 8, begin);
  memory.PutWord(descriptor + 16, begin + 32);
  memory.PutWord(ring.data() + 96, *memory.Word(descriptor) & ~(uint64_t{3} << 62));
  memory.WriteText(ring.data() + 104, "up to the very last byte");
  memory.PutU16(ring.Info(0) + 16, 24);
  EXPECT_THAT(Texts(ring), ElementsAre("up to the very last byte"));
}

TEST_F(Printk, EmptyLineIsARecord) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("before").AddEmpty().Add("after");
  EXPECT_THAT(Texts(ring), ElementsAre("before", "", "after"));
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(Printk, RecordWithoutRoomIsALoss) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("before").AddWithoutRoom().Add("after");
  EXPECT_THAT(Texts(ring), ElementsAre("before", "after"));
  EXPECT_EQ(FindingId(), "walk.printk.corrupt");
}

TEST_F(Printk, CommittedRecordIsShownReservedIsNot) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("finalized").Add("committed").Add("reserved");
  ring.SetState(1, 1);
  ring.SetState(2, 0);
  EXPECT_THAT(Texts(ring), ElementsAre("finalized", "committed"));
  EXPECT_EQ(FindingId(), "walk.printk.half-written");
  EXPECT_FALSE(findings.HasLosses());
}

TEST_F(Printk, ReusableRecordIsSkippedSilently) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("given up").Add("kept");
  ring.SetState(0, 3);
  EXPECT_THAT(Texts(ring), ElementsAre("kept"));
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(Printk, DescriptorOfAnotherIdIsHalfWritten) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("one").Add("two");
  memory.PutWord(ring.Descriptor(1), uint64_t{2} << 62 | 5);
  EXPECT_THAT(Texts(ring), ElementsAre("one"));
  EXPECT_EQ(FindingId(), "walk.printk.half-written");
}

TEST_F(Printk, BlockOfAnotherRecordIsCorrupt) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("one").Add("two");
  memory.PutWord(ring.data(), 12345);
  EXPECT_THAT(Texts(ring), ElementsAre("two"));
  EXPECT_EQ(FindingId(), "walk.printk.corrupt");
  EXPECT_TRUE(findings.HasLosses());
}

TEST_F(Printk, BlockThatGoesBackwardsIsCorrupt) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("one").Add("two");
  memory.PutWord(ring.Descriptor(1) + 16, *memory.Word(ring.Descriptor(1) + 8) - 8);
  EXPECT_THAT(Texts(ring), ElementsAre("one"));
  EXPECT_EQ(FindingId(), "walk.printk.corrupt");
}

TEST_F(Printk, BlockThatIsNotAlignedIsCorrupt) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("one");
  memory.PutWord(ring.Descriptor(0) + 8, *memory.Word(ring.Descriptor(0) + 8) + 4);
  EXPECT_THAT(Texts(ring), IsEmpty());
  EXPECT_EQ(FindingId(), "walk.printk.corrupt");
}

TEST_F(Printk, TextLengthBeyondItsBlockIsCutToTheBlock) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("12345678").Add("behind");
  memory.PutU16(ring.Info(0) + 16, 5000);
  EXPECT_THAT(Texts(ring), ElementsAre("12345678", "behind"));
}

TEST_F(Printk, UnreadableTextIsALossAndTheRestIsRead) {
  makers::LogRingMaker ring(memory, kRing, {});
  ring.Add("one").Add("two");
  memory.Fail({ring.data(), ring.data() + 8}, ErrorCode::kExcluded);
  EXPECT_THAT(Texts(ring), ElementsAre("two"));
  EXPECT_EQ(FindingId(), "walk.printk.unreadable");
}

TEST_F(Printk, DamagedHeadReadsEveryDescriptorInOrderOfSequence) {
  makers::LogRingMaker ring(memory, kRing, {.descriptor_bits = 2, .data_bits = 8});
  for (int i = 0; i < 6; ++i) ring.Add("record " + std::to_string(i));
  memory.PutWord(ring.head(), 0x1234567);
  EXPECT_THAT(Texts(ring), ElementsAre("record 2", "record 3", "record 4", "record 5"));
  EXPECT_EQ(FindingId(), "walk.printk.bad-head");
}

TEST_F(Printk, DamagedHeadAndTwoDescriptorsOfOneIdGiveNoRecordTwice) {
  makers::LogRingMaker ring(memory, kRing, {.descriptor_bits = 2, .data_bits = 8});
  for (int i = 0; i < 4; ++i) ring.Add("record " + std::to_string(i));
  memory.PutWord(ring.head(), 0x1234567);
  memory.PutWord(ring.Descriptor(1), *memory.Word(ring.Descriptor(2)));
  EXPECT_THAT(Texts(ring), ElementsAre("record 0", "record 2", "record 3"));
  ASSERT_EQ(findings.all().size(), 2u);
  EXPECT_EQ(findings.all()[1].id, "walk.printk.corrupt");
}

TEST_F(Printk, DamagedHeadPassesOverDescriptorsThatWereNeverUsed) {
  makers::LogRingMaker ring(memory, kRing, {.descriptor_bits = 2, .data_bits = 8});
  ring.Add("only");
  memory.PutWord(ring.head(), 0x1234567);
  EXPECT_THAT(Texts(ring), ElementsAre("only"));
  EXPECT_EQ(findings.all().size(), 1u);
}

TEST_F(Printk, TheNewestRecordsAreThoseWithinTheLimits) {
  makers::LogRingMaker ring(memory, kRing, {});
  for (int i = 0; i < 6; ++i) ring.Add("record " + std::to_string(i));
  EXPECT_THAT(Texts(ring, {.max_text_bytes = 12}), ElementsAre("record 4", "record 5"));
  EXPECT_EQ(FindingId(), "walk.printk.too-many");
  EXPECT_THAT(Texts(ring, {.max_records = 1}), ElementsAre("record 5"));
}

TEST_F(Printk, ALogThatJustFitsHasNoFinding) {
  makers::LogRingMaker ring(memory, kRing, {});
  for (int i = 0; i < 6; ++i) ring.Add("record " + std::to_string(i));
  EXPECT_EQ(Texts(ring, {.max_records = 6, .max_text_bytes = 48}).size(), 6u);
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_F(Printk, DamagedHeadKeepsTheLimitAndTheNewest) {
  makers::LogRingMaker ring(memory, kRing, {.descriptor_bits = 2, .data_bits = 8});
  for (int i = 0; i < 6; ++i) ring.Add("record " + std::to_string(i));
  memory.PutWord(ring.head(), 0x1234567);
  EXPECT_THAT(Texts(ring, {.max_text_bytes = 12}), ElementsAre("record 4", "record 5"));
}

TEST_F(Printk, RefusesARingOfImpossibleSize) {
  makers::LogRingMaker ring(memory, kRing, {});
  memory.PutU32(ring.size_bits(), 63);
  Result<std::vector<LogRecord>> log = Read(ring);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code(), ErrorCode::kCorrupt);
}

TEST_F(Printk, NoRingInVmcoreinfoIsNotFound) {
  Result<std::vector<LogRecord>> log =
      ReadLog(memory, space::Vmcoreinfo::Parse("OSRELEASE=5.4.0\n", findings), findings);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code(), ErrorCode::kNotFound);
}

TEST_F(Printk, MissingOffsetNamesItsKey) {
  makers::LogRingMaker ring(memory, kRing, {});
  std::string text = ring.Vmcoreinfo();
  text.erase(text.find("SIZE(prb_desc)"), std::string("SIZE(prb_desc)=24\n").size());
  Result<std::vector<LogRecord>> log =
      ReadLog(memory, space::Vmcoreinfo::Parse(text, findings), findings);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().ToString(), HasSubstr("SIZE(prb_desc)"));
}

TEST_F(Printk, UnreadableRingSaysWhere) {
  makers::LogRingMaker ring(memory, kRing, {});
  memory.PutPointer(kRing, VirtAddr(0xdead000000000000));
  Result<std::vector<LogRecord>> log = Read(ring);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().ToString(), HasSubstr("printk_ringbuffer"));
}

TEST(Printk32, BigEndianRingWithFourByteWords) {
  fakes::FakeVirtMemory memory(Endian::kBig, 4);
  Findings findings;
  makers::LogRingMaker ring(memory, VirtAddr(0xc0100000), {.descriptor_bits = 3, .data_bits = 7});
  for (int i = 0; i < 50; ++i) ring.Add("record " + std::to_string(i), 3);
  Result<std::vector<LogRecord>> log =
      ReadLog(memory, space::Vmcoreinfo::Parse(ring.Vmcoreinfo(), findings), findings);
  ASSERT_TRUE(log) << log.error().ToString();
  ASSERT_FALSE(log->empty());
  EXPECT_EQ(log->back().text, "record 49");
  EXPECT_EQ(log->back().level, 3);
  EXPECT_THAT(findings.all(), IsEmpty());
}

}  // namespace
}  // namespace hmem::walk
