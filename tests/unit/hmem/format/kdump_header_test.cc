// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/kdump_header.h"

#include <elf.h>
#include <gtest/gtest.h>

namespace hmem::format {
namespace {

KdumpHeader Header(KdumpLayout layout, Endian endian, std::string_view machine) {
  KdumpHeader header{.layout = layout, .endian = endian};
  header.utsname = {"Linux", "host", "6.1.0", "#1", std::string(machine), ""};
  header.time_seconds = 0x65000000;
  header.status = kKdumpPageZlib;
  header.sub_header_blocks = 2;
  header.bitmap_blocks = 8;
  header.max_mapnr = 0x20000;  // a power of two, where the 64-bit layout has its block size
  header.nr_cpus = 4;
  return header;
}

KdumpSubHeader SubHeader() {
  return {.phys_base = 0x1000000,
          .dump_level = 31,
          .split = 0,
          .start_pfn = 1,
          .end_pfn = 2,
          .vmcoreinfo_offset = 0x1200,
          .vmcoreinfo_bytes = 100,
          .note_offset = 0x1068,
          .note_bytes = 500,
          .eraseinfo_offset = 0x9000,
          .eraseinfo_bytes = 7,
          .start_pfn_64 = 3,
          .end_pfn_64 = 0x123456789,
          .max_mapnr_64 = 0x123456789};
}

struct Kind {
  KdumpLayout layout;
  std::string_view machine;
  size_t header_bytes;
  size_t sub_bytes;
  size_t status_offset;
  size_t note_offset;
  size_t max_mapnr_64_offset;
};

// Sizes and offsets as measured on files of other programs.
constexpr Kind kKinds[] = {
    {KdumpLayout::k64, "x86_64", 464, 104, 424, 48, 96},
    {KdumpLayout::k32Padded, "ppc", 452, 96, 412, 40, 88},
    {KdumpLayout::k32Packed, "i686", 452, 80, 412, 32, 72},
};

TEST(KdumpHeader, ReadsBackWhatItBuiltInEveryLayoutAndOrder) {
  for (const Kind& kind : kKinds) {
    for (Endian endian : {Endian::kLittle, Endian::kBig}) {
      KdumpHeader wanted = Header(kind.layout, endian, kind.machine);
      std::vector<std::byte> bytes = BuildKdumpHeader(wanted);
      bytes.resize(4096);
      auto header = ParseKdumpHeader(bytes);
      ASSERT_TRUE(header) << kind.machine;
      EXPECT_EQ(header->layout, kind.layout) << kind.machine;
      EXPECT_EQ(header->endian, endian);
      EXPECT_EQ(header->version, 6u);
      EXPECT_EQ(header->utsname, wanted.utsname);
      EXPECT_EQ(header->time_seconds, wanted.time_seconds);
      EXPECT_EQ(header->status, wanted.status);
      EXPECT_EQ(header->block_bytes, 4096u);
      EXPECT_EQ(header->sub_header_blocks, 2u);
      EXPECT_EQ(header->bitmap_blocks, 8u);
      EXPECT_EQ(header->max_mapnr, 0x20000u);
      EXPECT_EQ(header->nr_cpus, 4u);

      std::vector<std::byte> sub_bytes = BuildKdumpSubHeader(SubHeader(), *header);
      sub_bytes.resize(kKdumpSubHeaderBytes);
      auto sub = ParseKdumpSubHeader(sub_bytes, *header);
      ASSERT_TRUE(sub);
      EXPECT_EQ(header->layout, kind.layout);
      EXPECT_EQ(sub->phys_base, 0x1000000u);
      EXPECT_EQ(sub->dump_level, 31u);
      EXPECT_EQ(sub->vmcoreinfo_offset, 0x1200u);
      EXPECT_EQ(sub->note_bytes, 500u);
      EXPECT_EQ(sub->eraseinfo_bytes, 7u);
      EXPECT_EQ(sub->max_mapnr_64, 0x123456789u);
    }
  }
}

TEST(KdumpHeader, HasTheOffsetsOfEachLayout) {
  for (const Kind& kind : kKinds) {
    KdumpHeader header = Header(kind.layout, Endian::kLittle, kind.machine);
    std::vector<std::byte> bytes = BuildKdumpHeader(header);
    EXPECT_EQ(bytes.size(), kind.header_bytes) << kind.machine;
    EXPECT_EQ(Load<uint32_t>(&bytes[kind.status_offset], Endian::kLittle), kKdumpPageZlib)
        << kind.machine;
    std::vector<std::byte> sub = BuildKdumpSubHeader(SubHeader(), header);
    EXPECT_EQ(sub.size(), kind.sub_bytes) << kind.machine;
    EXPECT_EQ(Load<uint64_t>(&sub[kind.note_offset], Endian::kLittle), 0x1068u) << kind.machine;
    EXPECT_EQ(Load<uint64_t>(&sub[kind.max_mapnr_64_offset], Endian::kLittle), 0x123456789u)
        << kind.machine;
  }
}

TEST(KdumpHeader, OldVersionsLackTheNewerFields) {
  KdumpHeader header = Header(KdumpLayout::k64, Endian::kLittle, "x86_64");
  size_t sizes[] = {8, 12, 32, 48, 64, 80, 104};
  for (uint32_t version = 1; version <= 6; ++version) {
    header.version = version;
    std::vector<std::byte> bytes = BuildKdumpSubHeader(SubHeader(), header);
    EXPECT_EQ(bytes.size(), sizes[version]) << version;
    auto sub = ParseKdumpSubHeader(bytes, header);
    ASSERT_TRUE(sub);
    EXPECT_EQ(sub->note_bytes, version >= 4 ? 500u : 0u);
    EXPECT_EQ(sub->max_mapnr_64, version >= 6 ? 0x123456789u : 0u);
  }
}

TEST(KdumpHeader, TakesTheOther32BitLayoutWhereOnlyThatMakesSense) {
  KdumpHeader header = Header(KdumpLayout::k32Packed, Endian::kLittle, "unheard-of");
  std::vector<std::byte> bytes = BuildKdumpSubHeader(SubHeader(), header);
  bytes.resize(kKdumpSubHeaderBytes);
  header.layout = KdumpLayout::k32Padded;
  auto sub = ParseKdumpSubHeader(bytes, header);
  ASSERT_TRUE(sub);
  EXPECT_EQ(header.layout, KdumpLayout::k32Packed);
  EXPECT_EQ(sub->note_offset, 0x1068u);
}

class BrokenKdumpHeader : public testing::Test {
 protected:
  KdumpHeader header = Header(KdumpLayout::k64, Endian::kLittle, "x86_64");

  void ExpectRefused(ErrorCode code) {
    auto parsed = ParseKdumpHeader(BuildKdumpHeader(header));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), code);
  }
};

TEST_F(BrokenKdumpHeader, VersionZero) {
  header.version = 0;
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenKdumpHeader, BlockSizeNoPowerOfTwo) {
  header.block_bytes = 5000;
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenKdumpHeader, BlockSizeTooLarge) {
  header.block_bytes = 1 << 21;
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenKdumpHeader, NoSubHeader) {
  header.sub_header_blocks = 0;
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenKdumpHeader, NoBitmap) {
  header.bitmap_blocks = 0;
  ExpectRefused(ErrorCode::kCorrupt);
}

TEST_F(BrokenKdumpHeader, Cut) {
  std::vector<std::byte> bytes = BuildKdumpHeader(header);
  bytes.pop_back();
  auto parsed = ParseKdumpHeader(bytes);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), ErrorCode::kTruncated);
}

TEST_F(BrokenKdumpHeader, OtherSignature) {
  std::vector<std::byte> bytes = BuildKdumpHeader(header);
  bytes[0] = std::byte{'k'};
  auto parsed = ParseKdumpHeader(bytes);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
}

TEST(KdumpDescriptor, ReadsBackWhatItBuilt) {
  for (Endian endian : {Endian::kLittle, Endian::kBig}) {
    auto bytes = BuildKdumpDescriptor(
        {.offset = 0x123456789a, .bytes = 77, .flags = kKdumpPageZstd}, endian);
    KdumpDescriptor descriptor = ParseKdumpDescriptor(bytes, endian);
    EXPECT_EQ(descriptor.offset, 0x123456789au);
    EXPECT_EQ(descriptor.bytes, 77u);
    EXPECT_EQ(descriptor.flags, kKdumpPageZstd);
  }
}

TEST(KdumpElfMachine, TakesTheLongestName) {
  KdumpHeader header;
  auto machine = [&](std::string_view name) {
    header.utsname[4] = name;
    return KdumpElfMachine(header);
  };
  EXPECT_EQ(machine("x86_64"), EM_X86_64);
  EXPECT_EQ(machine("i686"), EM_386);
  EXPECT_EQ(machine("ppc"), EM_PPC);
  EXPECT_EQ(machine("ppc64le"), EM_PPC64);
  EXPECT_EQ(machine("armv7l"), EM_ARM);
  EXPECT_EQ(machine("aarch64"), EM_AARCH64);
  EXPECT_EQ(machine("riscv64"), EM_RISCV);
  EXPECT_EQ(machine("vax"), EM_NONE);
}

TEST(KdumpCodecName, KnowsTheFourAndRaw) {
  EXPECT_EQ(KdumpCodecName(0), "none");
  EXPECT_EQ(KdumpCodecName(kKdumpPageZlib), "zlib");
  EXPECT_EQ(KdumpCodecName(kKdumpPageLzo), "lzo");
  EXPECT_EQ(KdumpCodecName(kKdumpPageSnappy), "snappy");
  EXPECT_EQ(KdumpCodecName(kKdumpPageZstd), "zstd");
  EXPECT_EQ(KdumpCodecName(kKdumpPageZlib | kKdumpPageLzo), "");
}

}  // namespace
}  // namespace hmem::format
