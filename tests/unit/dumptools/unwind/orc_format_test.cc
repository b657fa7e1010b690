// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/unwind/orc_format.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tests/makers/orc_maker.h"

namespace hmem::unwind {
namespace {

std::array<std::byte, kOrcEntryBytes> Bytes(uint16_t sp, uint16_t bp, uint16_t flags) {
  std::array<std::byte, kOrcEntryBytes> bytes;
  Store<uint16_t>(bytes.data(), sp, Endian::kLittle);
  Store<uint16_t>(bytes.data() + 2, bp, Endian::kLittle);
  Store<uint16_t>(bytes.data() + 4, flags, Endian::kLittle);
  return bytes;
}

OrcEntry Decode(uint16_t flags, OrcVersion version) {
  return DecodeOrcEntry(Bytes(0, 0, flags), version, Endian::kLittle);
}

std::array<std::byte, kOrcHeaderBytes> Header(uint32_t first) {
  std::array<std::byte, kOrcHeaderBytes> header{};
  Store<uint32_t>(header.data(), first, Endian::kBig);
  return header;
}

TEST(OrcFormat, OffsetsAreSigned) {
  OrcEntry entry = DecodeOrcEntry(Bytes(0x00d0, 0xfff0, 0), OrcVersion::k1, Endian::kLittle);
  EXPECT_EQ(entry.sp_offset, 208);
  EXPECT_EQ(entry.bp_offset, -16);
}

// orc_fp_entry as compiled into kernels of each layout.
TEST(OrcFormat, FramePointerEntryOfEachVersion) {
  struct Case {
    OrcVersion version;
    uint16_t flags;
  };
  for (const Case& c : {Case{OrcVersion::k1, 0x0014}, Case{OrcVersion::k2, 0x0014},
                        Case{OrcVersion::k3, 0x0214}, Case{OrcVersion::k4, 0x0284}}) {
    OrcEntry entry = Decode(c.flags, c.version);
    EXPECT_EQ(entry.sp_base, OrcBase::kBp);
    EXPECT_EQ(entry.bp_base, OrcBase::kPreviousSp);
    EXPECT_EQ(entry.type, OrcType::kCall);
    EXPECT_FALSE(entry.signal);
  }
}

TEST(OrcFormat, EndOfStackIsBit10InVersion1AndBit11InVersion2) {
  EXPECT_EQ(Decode(0x0400, OrcVersion::k1).type, OrcType::kEndOfStack);
  EXPECT_EQ(Decode(0x0800, OrcVersion::k1).type, OrcType::kUndefined);
  EXPECT_EQ(Decode(0x0800, OrcVersion::k2).type, OrcType::kEndOfStack);
  EXPECT_EQ(Decode(0x0400, OrcVersion::k2).type, OrcType::kUndefined);
  EXPECT_EQ(Decode(0x0100, OrcVersion::k3).type, OrcType::kEndOfStack);
}

TEST(OrcFormat, NoStackPointerWithoutEndIsAGap) {
  for (OrcVersion version : {OrcVersion::k1, OrcVersion::k2, OrcVersion::k3, OrcVersion::k4}) {
    EXPECT_EQ(Decode(0, version).type, OrcType::kUndefined);
  }
}

TEST(OrcFormat, Version1RegistersAreAlwaysExact) {
  EXPECT_TRUE(Decode(0x0105, OrcVersion::k1).signal);
  EXPECT_EQ(Decode(0x0105, OrcVersion::k1).type, OrcType::kRegs);
  EXPECT_EQ(Decode(0x0205, OrcVersion::k1).type, OrcType::kRegsPartial);
  EXPECT_FALSE(Decode(0x0005, OrcVersion::k1).signal);
}

TEST(OrcFormat, LaterVersionsHaveASignalBit) {
  EXPECT_FALSE(Decode(0x0105, OrcVersion::k2).signal);
  EXPECT_TRUE(Decode(0x0505, OrcVersion::k2).signal);
  EXPECT_FALSE(Decode(0x0305, OrcVersion::k3).signal);
  EXPECT_TRUE(Decode(0x0b05, OrcVersion::k3).signal);
}

TEST(OrcFormat, UnknownTypeAndRegisterAreSaidToBeUnknown) {
  EXPECT_EQ(Decode(0x0305, OrcVersion::k1).type, OrcType::kUnknown);
  EXPECT_EQ(Decode(0x0505, OrcVersion::k3).type, OrcType::kUnknown);
  EXPECT_EQ(Decode(0x020f, OrcVersion::k3).sp_base, OrcBase::kUnknown);
}

TEST(OrcFormat, EveryBaseOfEveryVersionSurvivesTheRoundTrip) {
  for (OrcVersion version : {OrcVersion::k1, OrcVersion::k2, OrcVersion::k3, OrcVersion::k4}) {
    for (OrcBase base :
         {OrcBase::kAx, OrcBase::kDx, OrcBase::kDi, OrcBase::kBp, OrcBase::kSp, OrcBase::kR10,
          OrcBase::kR13, OrcBase::kBpIndirect, OrcBase::kSpIndirect}) {
      OrcEntry made{.sp_offset = -8,
                    .bp_offset = 16,
                    .sp_base = base,
                    .bp_base = OrcBase::kPreviousSp,
                    .type = OrcType::kCall};
      OrcEntry read =
          DecodeOrcEntry(makers::EncodeOrcEntry(made, version), version, Endian::kLittle);
      EXPECT_EQ(read.sp_base, base);
      EXPECT_EQ(read.bp_base, OrcBase::kPreviousSp);
      EXPECT_EQ(read.sp_offset, -8);
    }
  }
}

TEST(OrcFormat, HeaderHashTellsTheVersion) {
  EXPECT_EQ(OrcVersionOfHeader(Header(0xdb84aed4)), OrcVersion::k2);
  EXPECT_EQ(OrcVersionOfHeader(Header(0xfe5d32bf)), OrcVersion::k3);
  EXPECT_EQ(OrcVersionOfHeader(Header(0x137c36ad)), OrcVersion::k4);
  EXPECT_EQ(OrcVersionOfHeader(Header(0x12345678)), std::nullopt);
}

std::vector<std::byte> Sample(OrcVersion version, size_t calls) {
  std::vector<std::byte> bytes;
  auto add = [&](const OrcEntry& entry) {
    auto encoded = makers::EncodeOrcEntry(entry, version);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  };
  add({.type = OrcType::kEndOfStack});
  for (size_t i = 0; i < calls; ++i) {
    add({.sp_offset = 8, .sp_base = OrcBase::kSp, .type = OrcType::kCall});
    add({.sp_offset = 16,
         .bp_offset = -16,
         .sp_base = OrcBase::kBp,
         .bp_base = OrcBase::kPreviousSp,
         .type = OrcType::kCall});
  }
  return bytes;
}

TEST(OrcFormat, EntriesAloneTellTheVersion) {
  for (OrcVersion version : {OrcVersion::k1, OrcVersion::k2, OrcVersion::k3, OrcVersion::k4}) {
    EXPECT_EQ(ProbeOrcVersion(Sample(version, 100), Endian::kLittle), version);
  }
}

TEST(OrcFormat, TooFewEntriesTellNothing) {
  EXPECT_EQ(ProbeOrcVersion(Sample(OrcVersion::k3, 10), Endian::kLittle), std::nullopt);
}

TEST(OrcFormat, GarbageIsNoVersion) {
  std::vector<std::byte> bytes(600, std::byte{0xff});
  EXPECT_EQ(ProbeOrcVersion(bytes, Endian::kLittle), std::nullopt);
}

}  // namespace
}  // namespace hmem::unwind
