// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "hmem/source/memory_source.h"
#include "tests/makers/kdump_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using format::KdumpHeader;
using format::KdumpLayout;
using format::KdumpSubHeader;
using makers::KdumpMaker;
using makers::Pattern;
using makers::TempFile;
using testing::HasSubstr;

const Finding* Find(const Findings& findings, std::string_view id) {
  auto all = findings.all();
  auto it = std::find_if(all.begin(), all.end(), [&](const Finding& f) { return f.id == id; });
  return it == all.end() ? nullptr : &*it;
}

class KdumpSource : public testing::Test {
 protected:
  const MemorySource& Open(std::span<const std::byte> bytes) {
    file_ = std::make_unique<TempFile>(bytes);
    auto source = source::Open(file_->path());
    if (!source) {
      ADD_FAILURE() << source.error().ToString();
      std::abort();
    }
    source_ = *std::move(source);
    return *source_;
  }

  Error Refused(std::span<const std::byte> bytes) {
    file_ = std::make_unique<TempFile>(bytes);
    auto source = source::Open(file_->path());
    EXPECT_FALSE(source);
    return source ? Error(ErrorCode::kNotFound, "opened") : source.error();
  }

  static std::vector<std::byte> ReadAll(const MemorySource& source, uint64_t start, size_t bytes) {
    std::vector<std::byte> out(bytes);
    Status status = source.Read(PhysAddr(start), out);
    EXPECT_TRUE(status) << status.error().ToString();
    return out;
  }

  static Error ReadError(const MemorySource& source, uint64_t start) {
    std::vector<std::byte> out(16);
    Status status = source.Read(PhysAddr(start), out);
    EXPECT_FALSE(status);
    return status ? Error(ErrorCode::kInvalidArgument, "read") : status.error();
  }

  std::unique_ptr<TempFile> file_;
  std::unique_ptr<MemorySource> source_;
};

struct Kind {
  KdumpLayout layout;
  std::string_view machine;
  uint16_t elf_machine;
  int word_bytes;
};

constexpr Kind kKinds[] = {{KdumpLayout::k64, "x86_64", EM_X86_64, 8},
                           {KdumpLayout::k32Padded, "ppc", EM_PPC, 4},
                           {KdumpLayout::k32Packed, "i686", EM_386, 4}};

TEST_F(KdumpSource, ReadsEveryLayoutAndOrder) {
  for (const Kind& kind : kKinds) {
    for (Endian endian : {Endian::kLittle, Endian::kBig}) {
      const MemorySource& source = Open(KdumpMaker(endian, kind.layout, kind.machine)
                                            .AddNote("CORE", NT_PRSTATUS, Pattern(9, 100))
                                            .Vmcoreinfo("PAGESIZE=4096\n")
                                            .Page(Pfn(1), Pattern(1), "zlib")
                                            .Page(Pfn(2), Pattern(2), "lzo")
                                            .Page(Pfn(3), Pattern(3), "zstd")
                                            .Page(Pfn(5), Pattern(5), "none")
                                            .ZeroPage(Pfn(6))
                                            .Excluded(Pfn(7))
                                            .ZeroPage(Pfn(100000))
                                            .Make());
      EXPECT_EQ(source.elf_machine(), kind.elf_machine);
      EXPECT_EQ(source.word_bytes(), kind.word_bytes);
      EXPECT_EQ(source.endian(), endian);
      EXPECT_EQ(source.page_bytes(), 4096u);
      EXPECT_TRUE(source.complete());
      EXPECT_TRUE(source.findings().all().empty());
      EXPECT_EQ(source.notes().size(), 2u);
      ASSERT_EQ(source.ram().size(), 3u);
      EXPECT_EQ(source.ram()[0], (PhysRange{PhysAddr(0x1000), PhysAddr(0x4000)}));
      EXPECT_EQ(source.ram()[1], (PhysRange{PhysAddr(0x5000), PhysAddr(0x8000)}));
      for (uint64_t pfn : {1, 2, 3, 5})
        EXPECT_EQ(ReadAll(source, pfn * 4096, 4096), Pattern(pfn)) << pfn;
      EXPECT_EQ(ReadAll(source, 0x6000, 4096), std::vector<std::byte>(4096));
      EXPECT_EQ(ReadAll(source, 100000 * uint64_t{4096}, 4096), std::vector<std::byte>(4096));
      EXPECT_EQ(source.FateOf(Pfn(5)), PageFate::kPresent);
      EXPECT_EQ(source.FateOf(Pfn(7)), PageFate::kExcluded);
      EXPECT_EQ(source.FateOf(Pfn(4)), PageFate::kHole);
      EXPECT_EQ(source.FateOf(Pfn(100001)), PageFate::kHole);
      EXPECT_EQ(ReadError(source, 0x7000).code(), ErrorCode::kExcluded);
      EXPECT_EQ(ReadError(source, 0x4000).code(), ErrorCode::kNotFound);
      EXPECT_EQ(ReadError(source, ~uint64_t{0} - 20).code(), ErrorCode::kNotFound);
    }
  }
}

TEST_F(KdumpSource, ReadsVersions3To6) {
  for (uint32_t version : {3u, 4u, 5u, 6u}) {
    const MemorySource& source = Open(KdumpMaker()
                                          .Version(version)
                                          .AddNote("CORE", NT_PRSTATUS, Pattern(9, 100))
                                          .Vmcoreinfo("PAGESIZE=4096\n")
                                          .Page(Pfn(1), Pattern(1))
                                          .Make());
    EXPECT_TRUE(source.complete());
    EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
    // Version 3 has the text of VMCOREINFO and no other note.
    ASSERT_EQ(source.notes().size(), version == 3 ? 1u : 2u);
    EXPECT_EQ(source.notes().back().name, "VMCOREINFO");
    EXPECT_EQ(source.notes().back().desc, makers::Bytes("PAGESIZE=4096\n"));
  }
}

TEST_F(KdumpSource, ReadsVersions1And2WithoutNotes) {
  for (uint32_t version : {1u, 2u}) {
    const MemorySource& source =
        Open(KdumpMaker().Version(version).Page(Pfn(1), Pattern(1)).Make());
    EXPECT_TRUE(source.notes().empty());
    EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
  }
}

TEST_F(KdumpSource, ReadsNewerVersionsWithAFinding) {
  const MemorySource& source = Open(KdumpMaker().Version(7).Page(Pfn(1), Pattern(1)).Make());
  EXPECT_TRUE(source.complete());
  EXPECT_NE(Find(source.findings(), "source.kdump.version"), nullptr);
}

TEST_F(KdumpSource, ReadsLargePages) {
  const MemorySource& source = Open(KdumpMaker(Endian::kLittle, KdumpLayout::k64, "ppc64le", 65536)
                                        .Page(Pfn(3), Pattern(3, 65536), "zstd")
                                        .Make());
  EXPECT_EQ(source.page_bytes(), 65536u);
  EXPECT_EQ(ReadAll(source, 0x30000, 65536), Pattern(3, 65536));
}

TEST_F(KdumpSource, ReadsAcrossPages) {
  const MemorySource& source =
      Open(KdumpMaker().Page(Pfn(1), Pattern(1)).Page(Pfn(2), Pattern(2), "lzo").Make());
  std::vector<std::byte> out = ReadAll(source, 0x1ff0, 32);
  std::vector<std::byte> first = Pattern(1);
  std::vector<std::byte> second = Pattern(2);
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 16, first.end() - 16));
  EXPECT_TRUE(std::equal(out.begin() + 16, out.end(), second.begin()));
}

TEST_F(KdumpSource, CountsPagesOfArmFromItsFirst) {
  const MemorySource& source =
      Open(KdumpMaker(Endian::kLittle, KdumpLayout::k32Padded, "armv7l")
               .Page(Pfn(2), Pattern(2))
               .Edit([](KdumpHeader&, KdumpSubHeader& sub) { sub.phys_base = 0x40000000; })
               .Make());
  ASSERT_EQ(source.ram().size(), 1u);
  EXPECT_EQ(source.ram()[0].start, PhysAddr(0x40002000));
  EXPECT_EQ(ReadAll(source, 0x40002000, 4096), Pattern(2));
  EXPECT_EQ(source.FateOf(Pfn(2)), PageFate::kHole);
}

TEST_F(KdumpSource, AZeroDescriptorIsAPageThatWasNotReached) {
  const MemorySource& source = Open(KdumpMaker()
                                        .Status(format::kKdumpIncomplete)
                                        .Page(Pfn(1), Pattern(1))
                                        .Missing(Pfn(2))
                                        .Make());
  EXPECT_FALSE(source.complete());
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kPresent);
  EXPECT_EQ(source.FateOf(Pfn(2)), PageFate::kNotReached);
  EXPECT_EQ(ReadError(source, 0x2000).code(), ErrorCode::kTruncated);
  EXPECT_NE(Find(source.findings(), "source.kdump.incomplete"), nullptr);
  const Finding* finding = Find(source.findings(), "source.kdump.truncated");
  ASSERT_NE(finding, nullptr);
  EXPECT_THAT(finding->text, HasSubstr("from phys 0x2000 on"));
}

TEST_F(KdumpSource, AnIncompleteStatusAloneIsIncomplete) {
  EXPECT_FALSE(Open(KdumpMaker().Status(format::kKdumpIncomplete).Page(Pfn(1), Pattern(1)).Make())
                   .complete());
}

TEST_F(KdumpSource, ACutFileIsIncompleteWhateverItsHeaderSays) {
  KdumpMaker maker;
  for (uint64_t pfn = 1; pfn < 10; ++pfn) maker.Page(Pfn(pfn), Pattern(pfn));
  std::vector<std::byte> dump = maker.Make();
  dump.pop_back();
  const MemorySource& source = Open(dump);
  EXPECT_FALSE(source.complete());
  EXPECT_EQ(source.FateOf(Pfn(8)), PageFate::kPresent);
  EXPECT_EQ(source.FateOf(Pfn(9)), PageFate::kNotReached);
  const Finding* finding = Find(source.findings(), "source.kdump.truncated");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->severity, Severity::kLoss);
  EXPECT_THAT(finding->text, HasSubstr("from phys 0x9000 on are missing, up to 1 of 9"));
}

TEST_F(KdumpSource, FindsTheCutBehindMoreZeroPagesThanAWindow) {
  KdumpMaker maker;
  maker.ZeroPage(Pfn(0)).Page(Pfn(1), Pattern(1)).Page(Pfn(2), Pattern(2));
  for (uint64_t pfn = 3; pfn < 10000; ++pfn) maker.ZeroPage(Pfn(pfn));
  std::vector<std::byte> dump = maker.Make();
  EXPECT_TRUE(Open(dump).complete());
  dump.pop_back();
  const MemorySource& source = Open(dump);
  EXPECT_FALSE(source.complete());
  EXPECT_THAT(Find(source.findings(), "source.kdump.truncated")->text,
              HasSubstr("from phys 0x2000 on"));
  EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
  EXPECT_EQ(source.FateOf(Pfn(9999)), PageFate::kPresent);
}

TEST_F(KdumpSource, OpensOrSaysWhyAtEveryCut) {
  KdumpMaker maker;
  maker.Vmcoreinfo("PAGESIZE=4096\n")
      .Page(Pfn(1), Pattern(1))
      .Page(Pfn(2), Pattern(2))
      .Excluded(Pfn(3))
      .MaxPages(70000);
  std::vector<std::byte> dump = maker.Make();
  std::vector<size_t> sizes;
  for (size_t size = 1; size < dump.size(); size += 211) sizes.push_back(size);
  for (uint64_t edge :
       {uint64_t{4096}, uint64_t{4096 + 104}, maker.bitmap_offset(), maker.bitmap_offset() + 8,
        maker.descriptors_offset() - 1, maker.descriptors_offset(), maker.data_offset()}) {
    sizes.insert(sizes.end(), {edge - 1, edge, edge + 1});
  }
  for (size_t size : sizes) {
    TempFile file{std::span(dump).first(size)};
    auto source = source::Open(file.path());
    if (size < 4096 + format::kKdumpSubHeaderBytes) {
      ASSERT_FALSE(source) << size;
      EXPECT_TRUE(source.error().code() == ErrorCode::kTruncated || size < 8)
          << size << source.error().ToString();
      continue;
    }
    ASSERT_TRUE(source) << size << " " << source.error().ToString();
    EXPECT_FALSE((*source)->complete()) << size;
    EXPECT_TRUE((*source)->findings().HasLosses()) << size;
    std::vector<std::byte> page(4096);
    Status status = (*source)->Read(PhysAddr(0x2000), page);
    ASSERT_FALSE(status) << size;
    EXPECT_EQ(status.error().code(), ErrorCode::kTruncated) << size;
    EXPECT_EQ((*source)->FateOf(Pfn(2)), PageFate::kNotReached) << size;
    Findings findings;
    EXPECT_TRUE((*source)->Verify(findings)) << size;
    EXPECT_TRUE(findings.HasLosses()) << size;
  }
}

TEST_F(KdumpSource, ADamagedPageIsCorruptAndTheOthersAreNot) {
  KdumpMaker maker;
  maker.Page(Pfn(1), Pattern(1)).Page(Pfn(2), Pattern(2));
  std::vector<std::byte> dump = maker.Make();
  dump[maker.data_offset() + 40] ^= std::byte{0xff};
  const MemorySource& source = Open(dump);
  EXPECT_TRUE(source.complete());
  Error error = ReadError(source, 0x1000);
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("phys 0x1000"));
  EXPECT_EQ(ReadAll(source, 0x2000, 4096), Pattern(2));
  Findings findings;
  EXPECT_TRUE(source.Verify(findings));
  const Finding* finding = Find(findings, "source.kdump.page-damaged");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->count, 1u);
  EXPECT_EQ(finding->places[0], "phys 0x1000");
}

TEST_F(KdumpSource, ARawPageOfAnotherSizeIsCorrupt) {
  const MemorySource& source = Open(KdumpMaker().PackedPage(Pfn(1), Pattern(1, 100), 0).Make());
  EXPECT_EQ(ReadError(source, 0x1000).code(), ErrorCode::kCorrupt);
}

TEST_F(KdumpSource, APageLargerThanABlockIsCorrupt) {
  const MemorySource& source =
      Open(KdumpMaker().PackedPage(Pfn(1), Pattern(1, 5000), format::kKdumpPageZlib).Make());
  Error error = ReadError(source, 0x1000);
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("page of 5000 bytes"));
}

TEST_F(KdumpSource, UnknownPageFlagsAreCorrupt) {
  const MemorySource& source = Open(KdumpMaker().PackedPage(Pfn(1), Pattern(1, 100), 0x40).Make());
  Error error = ReadError(source, 0x1000);
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("flags 0x40"));
}

TEST_F(KdumpSource, DamagedSnappyPagesAreCorruptByName) {
  const MemorySource& source =
      Open(KdumpMaker()
               .PackedPage(Pfn(1), Pattern(1, 100), format::kKdumpPageSnappy)
               .Page(Pfn(2), Pattern(2), "snappy")
               .Make());
  Error error = ReadError(source, 0x1000);
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("snappy"));
  EXPECT_EQ(ReadAll(source, 0x2000, 4096), Pattern(2));
  Findings findings;
  EXPECT_TRUE(source.Verify(findings));
  EXPECT_NE(Find(findings, "source.kdump.page-damaged"), nullptr);
}

TEST_F(KdumpSource, DescriptorsThatPointBehindTheEndAreTruncated) {
  KdumpMaker maker;
  maker.Page(Pfn(1), Pattern(1));
  std::vector<std::byte> dump = maker.Make();
  Store<uint64_t>(&dump[maker.descriptors_offset()], ~uint64_t{0} - 10, Endian::kLittle);
  const MemorySource& source = Open(dump);
  EXPECT_FALSE(source.complete());
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kNotReached);
}

TEST_F(KdumpSource, DiskdumpIsUnsupportedByName) {
  std::vector<std::byte> dump = KdumpMaker().Page(Pfn(1), Pattern(1)).Make();
  std::vector<std::byte> signature = makers::Bytes("DISKDUMP");
  std::copy(signature.begin(), signature.end(), dump.begin());
  Error error = Refused(dump);
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error.ToString(), HasSubstr("diskdump"));
}

TEST_F(KdumpSource, NonsenseHeadersAreCorrupt) {
  std::vector<std::byte> dump = KdumpMaker().Page(Pfn(1), Pattern(1)).Make();
  std::fill(dump.begin() + 8, dump.begin() + 464, std::byte{0xff});
  EXPECT_EQ(Refused(dump).code(), ErrorCode::kCorrupt);
}

TEST_F(KdumpSource, NoPagesAreCorrupt) {
  auto edit = [](KdumpHeader& header, KdumpSubHeader& sub) {
    header.max_mapnr = 0, sub.max_mapnr_64 = 0;
  };
  Error error = Refused(KdumpMaker().Page(Pfn(1), Pattern(1)).Edit(edit).Make());
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("max_mapnr"));
}

TEST_F(KdumpSource, AMaximumBeyond64BitsIsCorrupt) {
  auto edit = [](KdumpHeader&, KdumpSubHeader& sub) { sub.max_mapnr_64 = ~uint64_t{0} / 2; };
  EXPECT_EQ(Refused(KdumpMaker().Page(Pfn(1), Pattern(1)).Edit(edit).Make()).code(),
            ErrorCode::kCorrupt);
}

TEST_F(KdumpSource, ABitmapTooSmallForItsPagesIsALoss) {
  auto edit = [](KdumpHeader&, KdumpSubHeader& sub) { sub.max_mapnr_64 = 1 << 20; };
  const MemorySource& source = Open(KdumpMaker().Page(Pfn(1), Pattern(1)).Edit(edit).Make());
  EXPECT_FALSE(source.complete());
  EXPECT_NE(Find(source.findings(), "source.kdump.bitmap-short"), nullptr);
  EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
}

TEST_F(KdumpSource, ABitmapLongerThanTheFileIsNoAllocation) {
  auto edit = [](KdumpHeader& header, KdumpSubHeader& sub) {
    header.bitmap_blocks = 0xfffffffe;
    sub.max_mapnr_64 = uint64_t{1} << 45;
  };
  const MemorySource& source = Open(KdumpMaker().Page(Pfn(1), Pattern(1)).Edit(edit).Make());
  EXPECT_FALSE(source.complete());
  EXPECT_NE(Find(source.findings(), "source.kdump.truncated"), nullptr);
}

TEST_F(KdumpSource, HugeNotesAreALoss) {
  auto edit = [](KdumpHeader&, KdumpSubHeader& sub) { sub.note_bytes = ~uint64_t{0}; };
  const MemorySource& source =
      Open(KdumpMaker().Vmcoreinfo("PAGESIZE=4096\n").Page(Pfn(1), Pattern(1)).Edit(edit).Make());
  EXPECT_FALSE(source.complete());
  EXPECT_NE(Find(source.findings(), "source.kdump.notes-too-large"), nullptr);
}

TEST_F(KdumpSource, AnUnknownMachineIsAFinding) {
  const MemorySource& source =
      Open(KdumpMaker(Endian::kLittle, KdumpLayout::k64, "vax").Page(Pfn(1), Pattern(1)).Make());
  EXPECT_EQ(source.elf_machine(), EM_NONE);
  EXPECT_NE(Find(source.findings(), "source.kdump.machine"), nullptr);
  EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
}

TEST_F(KdumpSource, ManyRangesAreBounded) {
  KdumpMaker maker;
  maker.Page(Pfn(0), Pattern(1)).MaxPages(400000);
  std::vector<std::byte> dump = maker.Make();
  // Every other page is RAM.
  std::fill_n(dump.begin() + static_cast<ptrdiff_t>(maker.bitmap_offset()), 400000 / 8,
              std::byte{0x55});
  const MemorySource& source = Open(dump);
  EXPECT_EQ(source.ram().size(), 64u * 1024);
  EXPECT_EQ(source.ram().back().end, PhysAddr(400000 * uint64_t{4096}));
  EXPECT_NE(Find(source.findings(), "source.kdump.ram-ranges"), nullptr);
}

TEST_F(KdumpSource, VerifyOfAWholeDumpFindsNothing) {
  KdumpMaker maker;
  for (uint64_t pfn = 0; pfn < 6000; ++pfn) {
    if (pfn % 100 == 0)
      maker.Page(Pfn(pfn), Pattern(pfn));
    else
      maker.ZeroPage(Pfn(pfn));
  }
  Findings findings;
  EXPECT_TRUE(Open(maker.Make()).Verify(findings));
  EXPECT_TRUE(findings.all().empty());
}

TEST_F(KdumpSource, FatesComeInRunsThatAgreeWithEachPage) {
  KdumpMaker maker;
  for (uint64_t pfn : {1, 2, 3, 9}) maker.Page(Pfn(pfn), Pattern(pfn));
  const MemorySource& source = Open(maker.Missing(Pfn(10))
                                        .Missing(Pfn(11))
                                        .Excluded(Pfn(5))
                                        .Excluded(Pfn(6))
                                        .ZeroPage(Pfn(200000))
                                        .MaxPages(uint64_t{1} << 24)
                                        .Make());
  std::vector<std::pair<PageFate, uint64_t>> runs;
  for (uint64_t pfn = 0; pfn < (uint64_t{1} << 24);) {
    PageFateRun run = source.FateFrom(Pfn(pfn), (uint64_t{1} << 24) - pfn);
    ASSERT_GE(run.pages, 1u);
    for (uint64_t i = 0; i < std::min<uint64_t>(run.pages, 20); ++i)
      EXPECT_EQ(source.FateOf(Pfn(pfn + i)), run.fate) << pfn + i;
    runs.emplace_back(run.fate, run.pages);
    pfn += run.pages;
  }
  std::vector<std::pair<PageFate, uint64_t>> expected = {
      {PageFate::kHole, 1},       {PageFate::kPresent, 3},
      {PageFate::kHole, 1},       {PageFate::kExcluded, 2},
      {PageFate::kHole, 2},       {PageFate::kPresent, 1},
      {PageFate::kNotReached, 2}, {PageFate::kHole, 200000 - 12},
      {PageFate::kPresent, 1},    {PageFate::kHole, (uint64_t{1} << 24) - 200001}};
  EXPECT_EQ(runs, expected);
}

TEST_F(KdumpSource, AFileCutInFrontOfManyZeroPagesIsCut) {
  KdumpMaker maker;
  maker.ZeroPage(Pfn(0)).Page(Pfn(1), Pattern(1)).Page(Pfn(2), Pattern(2));
  constexpr uint64_t kZeroPages = 257 * 4096;
  for (uint64_t pfn = 0; pfn < kZeroPages; ++pfn) maker.ZeroPage(Pfn(10 + pfn));
  std::vector<std::byte> bytes = maker.Make();
  EXPECT_TRUE(Open(bytes).complete());
  bytes.resize(bytes.size() - 100);
  const MemorySource& cut = Open(bytes);
  EXPECT_FALSE(cut.complete());
  EXPECT_NE(Find(cut.findings(), "source.kdump.truncated"), nullptr);
}

}  // namespace
}  // namespace hmem::source
