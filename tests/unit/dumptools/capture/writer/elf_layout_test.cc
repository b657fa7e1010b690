// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/elf_layout.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/fakes/fake_source.h"

namespace hmem::capture {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kGap = 4;

PfnRange Pages(uint64_t start, uint64_t end) { return {Pfn(start), Pfn(end)}; }
PhysRange Memory(uint64_t start, uint64_t end) {
  return {PhysAddr(start * kPage), PhysAddr(end * kPage)};
}

class ElfLayoutTest : public testing::Test {
 protected:
  ElfLayoutTest() { machine_.extra_ram = {Memory(0x100, 0x200), Memory(0x300, 0x310)}; }

  void ExpectPiece(size_t i, PhysRange memory, uint64_t offset, uint64_t file_pages) {
    ASSERT_LT(i, pieces_.size());
    EXPECT_EQ(pieces_[i].memory, memory);
    EXPECT_EQ(pieces_[i].offset, offset);
    EXPECT_EQ(pieces_[i].file_bytes, file_pages * kPage);
  }

  fakes::FakeSource machine_;
  std::vector<ElfPiece> pieces_;
  ElfLayout layout_{machine_, 0x1000, kGap, [this](const ElfPiece& piece) -> Status {
                      pieces_.push_back(piece);
                      return {};
                    }};
};

TEST_F(ElfLayoutTest, AllOfRamIsOnePieceARange) {
  EXPECT_EQ(*layout_.Place(Pages(0x100, 0x200)), 0x1000u);
  EXPECT_EQ(*layout_.Place(Pages(0x300, 0x310)), 0x101000u);
  ASSERT_TRUE(layout_.Finish());
  ASSERT_EQ(pieces_.size(), 2u);
  ExpectPiece(0, Memory(0x100, 0x200), 0x1000, 0x100);
  ExpectPiece(1, Memory(0x300, 0x310), 0x101000, 0x10);
  EXPECT_EQ(layout_.end(), 0x111000u);
  EXPECT_EQ(layout_.pages_in_gaps(), 0u);
}

TEST_F(ElfLayoutTest, ALongGapEndsAPieceAndAShortOneStaysInIt) {
  EXPECT_EQ(*layout_.Place(Pages(0x100, 0x102)), 0x1000u);
  EXPECT_EQ(*layout_.Place(Pages(0x105, 0x108)), 0x1000u + 5 * kPage);  // 3 pages left out
  EXPECT_EQ(*layout_.Place(Pages(0x10c, 0x10d)), 0x1000u + 8 * kPage);  // 4 pages left out
  EXPECT_EQ(*layout_.Place(Pages(0x1fe, 0x1ff)), 0x1000u + 9 * kPage);
  ASSERT_TRUE(layout_.Finish());
  ASSERT_EQ(pieces_.size(), 4u);
  ExpectPiece(0, Memory(0x100, 0x10c), 0x1000, 8);
  ExpectPiece(1, Memory(0x10c, 0x1fe), 0x1000 + 8 * kPage, 1);
  ExpectPiece(2, Memory(0x1fe, 0x200), 0x1000 + 9 * kPage, 1);
  ExpectPiece(3, Memory(0x300, 0x310), 0x1000 + 10 * kPage, 0);
  EXPECT_EQ(layout_.pages_in_gaps(), 3u);
}

TEST_F(ElfLayoutTest, AGapAtTheStartOfARangeIsLikeAnyOther) {
  EXPECT_EQ(*layout_.Place(Pages(0x102, 0x103)), 0x1000u + 2 * kPage);
  EXPECT_EQ(*layout_.Place(Pages(0x308, 0x309)), 0x1000u + 3 * kPage);
  ASSERT_TRUE(layout_.Finish());
  ASSERT_EQ(pieces_.size(), 3u);
  ExpectPiece(0, Memory(0x100, 0x200), 0x1000, 3);
  ExpectPiece(1, Memory(0x300, 0x308), 0x1000 + 3 * kPage, 0);
  ExpectPiece(2, Memory(0x308, 0x310), 0x1000 + 3 * kPage, 1);
}

TEST_F(ElfLayoutTest, WithoutPagesRamIsStillThere) {
  ASSERT_TRUE(layout_.Finish());
  ASSERT_EQ(pieces_.size(), 2u);
  ExpectPiece(0, Memory(0x100, 0x200), 0x1000, 0);
  ExpectPiece(1, Memory(0x300, 0x310), 0x1000, 0);
}

TEST_F(ElfLayoutTest, RunsThatTouchAreOne) {
  ASSERT_TRUE(layout_.Place(Pages(0x100, 0x101)));
  EXPECT_EQ(*layout_.Place(Pages(0x101, 0x102)), 0x1000u + kPage);
  ASSERT_TRUE(layout_.Finish());
  EXPECT_EQ(pieces_.size(), 2u);
}

TEST_F(ElfLayoutTest, RefusesPagesThatAreNoRam) {
  for (PfnRange pages : {Pages(0x250, 0x251), Pages(0x30f, 0x311), Pages(0x400, 0x401)}) {
    ElfLayout layout(machine_, 0, kGap, [](const ElfPiece&) { return Status(); });
    auto placed = layout.Place(pages);
    ASSERT_FALSE(placed);
    EXPECT_EQ(placed.error().code(), ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace hmem::capture
