// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/extent_map.h"

#include <gtest/gtest.h>

#include <random>

namespace hmem::source {
namespace {

Extent Piece(uint64_t start, uint64_t end, ExtentKind kind, uint64_t offset = 0) {
  return {.phys = {PhysAddr(start), PhysAddr(end)}, .kind = kind, .file_offset = offset};
}

void ExpectExtent(const Extent& extent, uint64_t start, uint64_t end, ExtentKind kind,
                  uint64_t offset) {
  EXPECT_EQ(extent.phys.start.value, start);
  EXPECT_EQ(extent.phys.end.value, end);
  EXPECT_EQ(extent.kind, kind);
  EXPECT_EQ(extent.file_offset, offset);
}

TEST(ExtentMap, KeepsDisjointPiecesInAddressOrder) {
  ExtentMap map({Piece(0x3000, 0x4000, ExtentKind::kData, 0x100),
                 Piece(0x1000, 0x2000, ExtentKind::kExcluded)});
  ASSERT_EQ(map.all().size(), 2u);
  ExpectExtent(map.all()[0], 0x1000, 0x2000, ExtentKind::kExcluded, 0);
  ExpectExtent(map.all()[1], 0x3000, 0x4000, ExtentKind::kData, 0x100);
}

TEST(ExtentMap, TheLargerOfTwoDataPiecesWins) {
  ExtentMap map({Piece(0x2000, 0x3000, ExtentKind::kData, 0x10000),
                 Piece(0x1000, 0x5000, ExtentKind::kData, 0x20000)});
  ASSERT_EQ(map.all().size(), 1u);
  ExpectExtent(map.all()[0], 0x1000, 0x5000, ExtentKind::kData, 0x20000);
}

TEST(ExtentMap, DataWinsOverWhatIsMissing) {
  for (ExtentKind kind : {ExtentKind::kTruncated, ExtentKind::kExcluded, ExtentKind::kPadding}) {
    ExtentMap map(
        {Piece(0x1000, 0x5000, kind, 0x20000), Piece(0x2000, 0x3000, ExtentKind::kData, 0x10000)});
    ASSERT_EQ(map.all().size(), 3u);
    EXPECT_EQ(map.all()[0].kind, kind);
    ExpectExtent(map.all()[1], 0x2000, 0x3000, ExtentKind::kData, 0x10000);
    EXPECT_EQ(map.all()[2].kind, kind);
  }
}

TEST(ExtentMap, GoesOnInTheFileBehindAnInterruption) {
  ExtentMap map({Piece(0x1000, 0x5000, ExtentKind::kTruncated, 0x20000),
                 Piece(0x2000, 0x3000, ExtentKind::kData, 0x10000)});
  ExpectExtent(map.all()[2], 0x3000, 0x5000, ExtentKind::kTruncated, 0x22000);
}

TEST(ExtentMap, JoinsPiecesThatContinueInMemoryAndFile) {
  ExtentMap map({Piece(0x1000, 0x2000, ExtentKind::kData, 0x100),
                 Piece(0x2000, 0x3000, ExtentKind::kData, 0x1100),
                 Piece(0x3000, 0x4000, ExtentKind::kData, 0x9000)});
  ASSERT_EQ(map.all().size(), 2u);
  ExpectExtent(map.all()[0], 0x1000, 0x3000, ExtentKind::kData, 0x100);
}

TEST(ExtentMap, DropsEmptyAndBackwardPieces) {
  ExtentMap map(
      {Piece(0x1000, 0x1000, ExtentKind::kData), Piece(0x3000, 0x2000, ExtentKind::kData)});
  EXPECT_TRUE(map.all().empty());
  EXPECT_EQ(map.Find(PhysAddr(0x1000)), nullptr);
}

TEST(ExtentMap, FindsTheExtentOfAnAddress) {
  ExtentMap map(
      {Piece(0x1000, 0x2000, ExtentKind::kData), Piece(0x3000, 0x4000, ExtentKind::kData)});
  EXPECT_EQ(map.Find(PhysAddr(0xfff)), nullptr);
  EXPECT_EQ(map.Find(PhysAddr(0x1000)), &map.all()[0]);
  EXPECT_EQ(map.Find(PhysAddr(0x1fff)), &map.all()[0]);
  EXPECT_EQ(map.Find(PhysAddr(0x2000)), nullptr);
  EXPECT_EQ(map.Find(PhysAddr(0x3fff)), &map.all()[1]);
  EXPECT_EQ(map.Find(PhysAddr(0x4000)), nullptr);
}

TEST(ExtentMap, TouchingIsHalfOpen) {
  ExtentMap map(
      {Piece(0x1000, 0x2000, ExtentKind::kData), Piece(0x3000, 0x4000, ExtentKind::kData)});
  EXPECT_TRUE(map.Touching({PhysAddr(0x2000), PhysAddr(0x3000)}).empty());
  EXPECT_EQ(map.Touching({PhysAddr(0x1fff), PhysAddr(0x3001)}).size(), 2u);
  EXPECT_EQ(map.Touching({PhysAddr(0), PhysAddr(0x1001)}).size(), 1u);
}

// Against the obvious way: for each address, the best of all pieces that hold it.
TEST(ExtentMap, AgreesWithLookingAtEveryPiece) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Extent> pieces;
    for (int i = 0; i < 12; ++i) {
      uint64_t start = random() % 60;
      pieces.push_back(Piece(start, start + random() % 20, static_cast<ExtentKind>(random() % 4),
                             random() % 1000));
    }
    ExtentMap map(pieces);
    for (uint64_t address = 0; address < 90; ++address) {
      const Extent* best = nullptr;
      for (const Extent& piece : pieces) {
        if (!piece.phys.contains(PhysAddr(address))) continue;
        if (best == nullptr || piece.kind < best->kind ||
            (piece.kind == best->kind && piece.phys.size() > best->phys.size())) {
          best = &piece;
        }
      }
      const Extent* found = map.Find(PhysAddr(address));
      ASSERT_EQ(found == nullptr, best == nullptr) << address;
      ASSERT_TRUE(best == nullptr || found->kind == best->kind) << address;
    }
  }
}

}  // namespace
}  // namespace hmem::source
