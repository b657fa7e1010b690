// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/elf_core.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/makers/pattern.h"

namespace hmem::format {
namespace {

ElfHeader Header(Endian endian, int word_bytes) {
  return {
      .word_bytes = word_bytes, .endian = endian, .type = ET_CORE, .machine = EM_PPC, .flags = 1};
}

std::vector<ElfSegment> Segments(size_t count) {
  std::vector<ElfSegment> segments;
  for (uint64_t i = 0; i < count; ++i) {
    segments.push_back({.type = PT_LOAD,
                        .flags = PF_R,
                        .offset = 0x2000 + i,
                        .virt = VirtAddr(0xc0000000 + i),
                        .phys = PhysAddr(0x1000 + i),
                        .file_bytes = 0x1000,
                        .memory_bytes = 0x3000,
                        .align = 4});
  }
  return segments;
}

void ExpectEqual(const ElfSegment& a, const ElfSegment& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.flags, b.flags);
  EXPECT_EQ(a.offset, b.offset);
  EXPECT_EQ(a.virt, b.virt);
  EXPECT_EQ(a.phys, b.phys);
  EXPECT_EQ(a.file_bytes, b.file_bytes);
  EXPECT_EQ(a.memory_bytes, b.memory_bytes);
  EXPECT_EQ(a.align, b.align);
}

TEST(ElfCore, ReadsBackWhatItBuiltInEveryClassAndOrder) {
  for (Endian endian : {Endian::kLittle, Endian::kBig}) {
    for (int word_bytes : {4, 8}) {
      std::vector<ElfSegment> segments = Segments(3);
      auto bytes = BuildElfCoreHeader(Header(endian, word_bytes), segments);
      ASSERT_TRUE(bytes);
      EXPECT_EQ(bytes->size(), ElfCoreHeaderBytes(word_bytes, 3));
      auto header = ParseElfHeader(*bytes);
      ASSERT_TRUE(header);
      EXPECT_EQ(header->word_bytes, word_bytes);
      EXPECT_EQ(header->endian, endian);
      EXPECT_EQ(header->type, ET_CORE);
      EXPECT_EQ(header->machine, EM_PPC);
      EXPECT_EQ(header->flags, 1u);
      EXPECT_EQ(header->program_count, 3);
      EXPECT_FALSE(ElfCountIsInSection(*header));
      auto again = ParseElfSegments(std::span(*bytes).subspan(header->program_offset), *header);
      ASSERT_TRUE(again);
      ASSERT_EQ(again->size(), 3u);
      for (size_t i = 0; i < 3; ++i) ExpectEqual((*again)[i], segments[i]);
    }
  }
}

TEST(ElfCore, AgreesWithElfH) {
  auto bytes = BuildElfCoreHeader(Header(kHostEndian, 8), Segments(1));
  ASSERT_TRUE(bytes);
  Elf64_Ehdr header;
  std::memcpy(&header, bytes->data(), sizeof header);
  EXPECT_EQ(header.e_type, ET_CORE);
  EXPECT_EQ(header.e_version, static_cast<unsigned>(EV_CURRENT));
  EXPECT_EQ(header.e_phoff, sizeof header);
  EXPECT_EQ(header.e_ehsize, sizeof header);
  EXPECT_EQ(header.e_phentsize, sizeof(Elf64_Phdr));
  Elf64_Phdr segment;
  std::memcpy(&segment, bytes->data() + sizeof header, sizeof segment);
  EXPECT_EQ(segment.p_type, static_cast<unsigned>(PT_LOAD));
  EXPECT_EQ(segment.p_paddr, 0x1000u);
  EXPECT_EQ(segment.p_memsz, 0x3000u);
}

TEST(ElfCore, PutsALargeCountIntoSectionHeaderZero) {
  for (int word_bytes : {4, 8}) {
    ElfHeader wanted = Header(Endian::kBig, word_bytes);
    auto bytes = BuildElfCoreHeader(wanted, Segments(PN_XNUM));
    ASSERT_TRUE(bytes);
    auto header = ParseElfHeader(*bytes);
    ASSERT_TRUE(header);
    EXPECT_TRUE(ElfCountIsInSection(*header));
    auto section =
        std::span(*bytes).subspan(header->section_offset, ElfSectionEntryBytes(word_bytes));
    EXPECT_EQ(ParseElfSectionCount(section, *header), PN_XNUM);
    EXPECT_EQ(header->program_offset, ElfFileHeaderBytes(word_bytes));
    EXPECT_EQ(header->section_offset,
              header->program_offset + PN_XNUM * ElfProgramEntryBytes(word_bytes));
  }
}

TEST(ElfCore, RefusesTooManySegments) {
  auto bytes = BuildElfCoreHeader(Header(Endian::kLittle, 8), Segments(kMaxElfSegments + 1));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ErrorCode::kLimit);
}

TEST(ElfCore, RefusesAddressesThatDoNotFitElf32) {
  std::vector<ElfSegment> segments = Segments(1);
  segments[0].phys = PhysAddr(0x100000000);
  auto bytes = BuildElfCoreHeader(Header(Endian::kLittle, 4), segments);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ErrorCode::kInvalidArgument);
}

class BrokenElfHeader : public testing::Test {
 protected:
  std::vector<std::byte> bytes = *BuildElfCoreHeader(Header(Endian::kLittle, 8), Segments(1));

  void ExpectRefused(ErrorCode code) {
    auto header = ParseElfHeader(bytes);
    ASSERT_FALSE(header);
    EXPECT_EQ(header.error().code(), code);
  }
};

TEST_F(BrokenElfHeader, NoMagic) {
  bytes[1] = std::byte{'e'};
  EXPECT_FALSE(IsElf(bytes));
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenElfHeader, UnknownClass) {
  bytes[EI_CLASS] = std::byte{3};
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenElfHeader, UnknownByteOrder) {
  bytes[EI_DATA] = std::byte{0};
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenElfHeader, CutAnywhere) {
  for (size_t size : {size_t{4}, size_t{15}, size_t{16}, size_t{40}, size_t{57}}) {
    auto header = ParseElfHeader(std::span(bytes).first(size));
    ASSERT_FALSE(header) << size;
    EXPECT_EQ(header.error().code(), ErrorCode::kTruncated) << size;
  }
}

}  // namespace
}  // namespace hmem::format
