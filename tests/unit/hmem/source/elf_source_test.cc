// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "hmem/source/memory_source.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using format::ElfSegment;
using makers::ElfMaker;
using makers::Pattern;
using makers::TempFile;
using testing::HasSubstr;

const Finding* Find(const Findings& findings, std::string_view id) {
  auto all = findings.all();
  auto it = std::find_if(all.begin(), all.end(), [&](const Finding& f) { return f.id == id; });
  return it == all.end() ? nullptr : &*it;
}

class ElfSource : public testing::Test {
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

  static ErrorCode ReadError(const MemorySource& source, uint64_t start, size_t bytes = 16) {
    std::vector<std::byte> out(bytes);
    Status status = source.Read(PhysAddr(start), out);
    EXPECT_FALSE(status);
    return status ? ErrorCode::kInvalidArgument : status.error().code();
  }

  std::unique_ptr<TempFile> file_;
  std::unique_ptr<MemorySource> source_;
};

TEST_F(ElfSource, ReadsEveryClassAndOrder) {
  for (Endian endian : {Endian::kLittle, Endian::kBig}) {
    for (int word_bytes : {4, 8}) {
      const MemorySource& source =
          Open(ElfMaker(endian, word_bytes, EM_PPC)
                   .AddNote("CORE", NT_PRSTATUS, Pattern(9, 100))
                   .Vmcoreinfo("PAGESIZE=4096\n")
                   .Load(PhysAddr(0x1000), Pattern(1, 8192), VirtAddr(0xc0001000))
                   .Load(PhysAddr(0x8000), Pattern(2, 4096), VirtAddr(0xc0008000))
                   .Make());
      EXPECT_EQ(source.elf_machine(), EM_PPC);
      EXPECT_EQ(source.word_bytes(), word_bytes);
      EXPECT_EQ(source.endian(), endian);
      EXPECT_EQ(source.page_bytes(), 4096u);
      EXPECT_TRUE(source.complete());
      ASSERT_EQ(source.notes().size(), 2u);
      EXPECT_EQ(source.notes()[0].desc, Pattern(9, 100));
      ASSERT_EQ(source.ram().size(), 2u);
      EXPECT_EQ(source.ram()[0], (PhysRange{PhysAddr(0x1000), PhysAddr(0x3000)}));
      EXPECT_EQ(source.ram()[1], (PhysRange{PhysAddr(0x8000), PhysAddr(0x9000)}));
      EXPECT_EQ(ReadAll(source, 0x1000, 8192), Pattern(1, 8192));
      EXPECT_EQ(ReadAll(source, 0x8000, 4096), Pattern(2, 4096));
      ASSERT_EQ(source.virt_segments().size(), 2u);
      EXPECT_EQ(source.virt_segments()[1].virt.start, VirtAddr(0xc0008000));
      EXPECT_EQ(source.virt_segments()[1].phys, PhysAddr(0x8000));
    }
  }
}

TEST_F(ElfSource, HolesAreNotFound) {
  const MemorySource& source = Open(ElfMaker().Load(PhysAddr(0x1000), Pattern(1)).Make());
  EXPECT_EQ(ReadError(source, 0x0), ErrorCode::kNotFound);
  EXPECT_EQ(ReadError(source, 0x2000), ErrorCode::kNotFound);
  EXPECT_EQ(ReadError(source, 0x1ff8), ErrorCode::kNotFound);  // runs into the hole
  EXPECT_EQ(source.FateOf(Pfn(0)), PageFate::kHole);
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kPresent);
  EXPECT_EQ(source.FateOf(Pfn(2)), PageFate::kHole);
  EXPECT_EQ(source.FateOf(Pfn(~uint64_t{0})), PageFate::kHole);
}

TEST_F(ElfSource, ReadsAcrossAdjacentSegments) {
  const MemorySource& source =
      Open(ElfMaker().Load(PhysAddr(0x2000), Pattern(2)).Load(PhysAddr(0x1000), Pattern(1)).Make());
  ASSERT_EQ(source.ram().size(), 1u);
  std::vector<std::byte> both = Pattern(1);
  std::vector<std::byte> second = Pattern(2);
  both.insert(both.end(), second.begin(), second.end());
  EXPECT_EQ(ReadAll(source, 0x1000, 8192), both);
}

TEST_F(ElfSource, OverlappingSegmentsAreAFindingAndNoLoss) {
  std::vector<std::byte> ram = Pattern(1, 4 * 4096);
  const MemorySource& source =
      Open(ElfMaker()
               .Load(PhysAddr(0x2000), std::span(ram).subspan(4096, 4096), VirtAddr(0x7000))
               .Load(PhysAddr(0x1000), ram, VirtAddr(0x8000))
               .Make());
  EXPECT_TRUE(source.complete());
  EXPECT_FALSE(source.findings().HasLosses());
  ASSERT_NE(Find(source.findings(), "source.elf.segment-overlap"), nullptr);
  EXPECT_EQ(source.ram().size(), 1u);
  EXPECT_EQ(source.virt_segments().size(), 2u);
  EXPECT_EQ(ReadAll(source, 0x1000, ram.size()), ram);
}

TEST_F(ElfSource, MemoryWithoutFileBytesIsExcluded) {
  const MemorySource& source =
      Open(ElfMaker().Load(PhysAddr(0x1000), Pattern(1), VirtAddr(0), 0x3000).Make());
  EXPECT_TRUE(source.complete());
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kPresent);
  EXPECT_EQ(source.FateOf(Pfn(2)), PageFate::kExcluded);
  EXPECT_EQ(source.FateOf(Pfn(3)), PageFate::kExcluded);
  EXPECT_EQ(source.FateOf(Pfn(4)), PageFate::kHole);
  EXPECT_EQ(ReadError(source, 0x2000), ErrorCode::kExcluded);
}

TEST_F(ElfSource, PagesCoveredInPartReadZerosInTheRest) {
  const MemorySource& source = Open(ElfMaker().Load(PhysAddr(0x1100), Pattern(1, 0x200)).Make());
  EXPECT_EQ(source.ram()[0], (PhysRange{PhysAddr(0x1000), PhysAddr(0x2000)}));
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kPresent);
  std::vector<std::byte> page(4096);
  std::vector<std::byte> part = Pattern(1, 0x200);
  std::copy(part.begin(), part.end(), page.begin() + 0x100);
  EXPECT_EQ(ReadAll(source, 0x1000, 4096), page);
}

TEST_F(ElfSource, TakesThePageSizeFromVmcoreinfo) {
  const MemorySource& source = Open(
      ElfMaker().Vmcoreinfo("PAGESIZE=65536\n").Load(PhysAddr(0x10000), Pattern(1, 65536)).Make());
  EXPECT_EQ(source.page_bytes(), 65536u);
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kPresent);
  EXPECT_EQ(source.FateOf(Pfn(2)), PageFate::kHole);
}

TEST_F(ElfSource, FollowsProgramHeadersWhereverTheyAre) {
  const MemorySource& source =
      Open(ElfMaker().HeadersAt(192).Load(PhysAddr(0x1000), Pattern(1)).Make());
  EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
}

TEST_F(ElfSource, ReadsTheCountFromSectionHeaderZero) {
  for (int word_bytes : {4, 8}) {
    const MemorySource& source = Open(ElfMaker(Endian::kBig, word_bytes)
                                          .NullHeaders(PN_XNUM)
                                          .Load(PhysAddr(0x1000), Pattern(1))
                                          .Make());
    EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
  }
}

TEST_F(ElfSource, AMarkedCoreIsIncomplete) {
  const MemorySource& source = Open(ElfMaker().Flags(1).Load(PhysAddr(0x1000), Pattern(1)).Make());
  EXPECT_FALSE(source.complete());
  EXPECT_NE(Find(source.findings(), "source.elf.incomplete"), nullptr);
}

TEST_F(ElfSource, FlagsOfAnArchitectureAreNoMark) {
  EXPECT_TRUE(
      Open(
          ElfMaker(Endian::kLittle, 8, EM_PPC64).Flags(1).Load(PhysAddr(0x1000), Pattern(1)).Make())
          .complete());
}

TEST_F(ElfSource, BytesBehindTheEndAreTruncated) {
  std::vector<std::byte> core = ElfMaker()
                                    .Load(PhysAddr(0x1000), Pattern(1, 3 * 4096))
                                    .Load(PhysAddr(0x10000), Pattern(2))
                                    .Make();
  core.resize(core.size() - 2 * 4096 - 100);  // into the second page of the first segment
  const MemorySource& source = Open(core);
  EXPECT_FALSE(source.complete());
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kPresent);
  EXPECT_EQ(source.FateOf(Pfn(2)), PageFate::kNotReached);
  EXPECT_EQ(source.FateOf(Pfn(3)), PageFate::kNotReached);
  EXPECT_EQ(source.FateOf(Pfn(16)), PageFate::kNotReached);
  EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
  EXPECT_EQ(ReadError(source, 0x10000), ErrorCode::kTruncated);
  const Finding* finding = Find(source.findings(), "source.elf.truncated");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->severity, Severity::kLoss);
  EXPECT_THAT(finding->text, HasSubstr("phys 0x2f9c-0x4000, phys 0x10000-0x11000"));
}

TEST_F(ElfSource, OpensOrSaysWhyAtEveryCut) {
  std::vector<std::byte> core = ElfMaker()
                                    .Vmcoreinfo("OSRELEASE=6.1.0\n")
                                    .Load(PhysAddr(0x1000), Pattern(1, 2 * 4096))
                                    .Make();
  for (size_t size = 1; size < core.size(); size += size < 300 ? 1 : 331) {
    TempFile file{std::span(core).first(size)};
    auto source = source::Open(file.path());
    if (size >= 64 + 2 * 56) {  // the headers are whole
      ASSERT_TRUE(source) << size << " " << source.error().ToString();
      EXPECT_FALSE((*source)->complete()) << size;
      EXPECT_TRUE((*source)->findings().HasLosses()) << size;
    } else {
      ASSERT_FALSE(source) << size;
      EXPECT_TRUE(source.error().code() == ErrorCode::kTruncated || size < 4) << size;
    }
  }
}

TEST_F(ElfSource, KeepsTheNotesBeforeADamagedOne) {
  std::vector<std::byte> core = ElfMaker()
                                    .AddNote("CORE", NT_PRSTATUS, Pattern(9, 100))
                                    .Vmcoreinfo("PAGESIZE=4096\n")
                                    .Load(PhysAddr(0x1000), Pattern(1))
                                    .Make();
  // descsz of the second note: behind 12 + 8 + 100 bytes of the first and its own namesz.
  Store<uint32_t>(&core[4096 + 120 + 4], 0x7fffffff, Endian::kLittle);
  const MemorySource& source = Open(core);
  EXPECT_EQ(source.notes().size(), 1u);
  EXPECT_FALSE(source.complete());
  EXPECT_NE(Find(source.findings(), "source.elf.notes-damaged"), nullptr);
}

TEST_F(ElfSource, PassesOverSegmentsWithoutPhysicalAddress) {
  const MemorySource& source = Open(ElfMaker()
                                        .Load(PhysAddr(~uint64_t{0}), Pattern(2))
                                        .Load(PhysAddr(0x1000), Pattern(1))
                                        .Make());
  EXPECT_TRUE(source.complete());
  EXPECT_EQ(source.ram().size(), 1u);
  EXPECT_NE(Find(source.findings(), "source.elf.segment-without-phys"), nullptr);
}

TEST_F(ElfSource, PassesOverSegmentsBeyond64Bits) {
  const MemorySource& source = Open(ElfMaker()
                                        .Load(PhysAddr(0x1000), Pattern(1))
                                        .Load(PhysAddr(0x2000), Pattern(2))
                                        .Edit([](std::vector<ElfSegment>& segments) {
                                          segments[1].memory_bytes = ~uint64_t{0} - 0x1000;
                                        })
                                        .Make());
  EXPECT_FALSE(source.complete());
  EXPECT_EQ(source.ram().size(), 1u);
  EXPECT_NE(Find(source.findings(), "source.elf.segment-overflow"), nullptr);
}

TEST_F(ElfSource, AHugeFileSizeIsTruncationNotAllocation) {
  const MemorySource& source = Open(ElfMaker()
                                        .Vmcoreinfo("PAGESIZE=4096\n")
                                        .Load(PhysAddr(0x1000), Pattern(1))
                                        .Edit([](std::vector<ElfSegment>& segments) {
                                          segments[1].file_bytes = uint64_t{1} << 60;
                                          segments[1].memory_bytes = uint64_t{1} << 60;
                                        })
                                        .Make());
  EXPECT_FALSE(source.complete());
  EXPECT_EQ(ReadAll(source, 0x1000, 4096), Pattern(1));
  EXPECT_EQ(ReadError(source, uint64_t{1} << 50), ErrorCode::kTruncated);
}

TEST_F(ElfSource, OfNotesThatClaimTooMuchTheFirstAreRead) {
  const MemorySource& source = Open(ElfMaker()
                                        .Vmcoreinfo("PAGESIZE=4096\n")
                                        .Load(PhysAddr(0x1000), Pattern(1))
                                        .Edit([](std::vector<ElfSegment>& segments) {
                                          segments[0].file_bytes = uint64_t{1} << 60;
                                        })
                                        .Make());
  EXPECT_FALSE(source.complete());
  EXPECT_NE(Find(source.findings(), "source.elf.notes-too-large"), nullptr);
  ASSERT_FALSE(source.notes().empty());
  EXPECT_EQ(source.notes()[0].name, "VMCOREINFO");
}

TEST_F(ElfSource, RefusesNoProgramHeaders) {
  std::vector<std::byte> core = ElfMaker().Load(PhysAddr(0x1000), Pattern(1)).Make();
  Store<uint16_t>(&core[56], 0, Endian::kLittle);  // e_phnum
  Error error = Refused(core);
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("no program headers"));
}

TEST_F(ElfSource, RefusesProgramHeadersOfAnotherSize) {
  std::vector<std::byte> core = ElfMaker().Load(PhysAddr(0x1000), Pattern(1)).Make();
  Store<uint16_t>(&core[54], 32, Endian::kLittle);  // e_phentsize
  Error error = Refused(core);
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("expected 56"));
}

TEST_F(ElfSource, RefusesProgramHeadersBehindTheEnd) {
  std::vector<std::byte> core = ElfMaker().Load(PhysAddr(0x1000), Pattern(1)).Make();
  Store<uint64_t>(&core[32], 1 << 30, Endian::kLittle);  // e_phoff
  Error error = Refused(core);
  EXPECT_EQ(error.code(), ErrorCode::kTruncated);
  EXPECT_THAT(error.ToString(), HasSubstr("program headers"));
}

TEST_F(ElfSource, RefusesTooManyProgramHeaders) {
  std::vector<std::byte> core =
      ElfMaker().NullHeaders(PN_XNUM).Load(PhysAddr(0x1000), Pattern(1)).Make();
  const uint64_t section = format::ParseElfHeader(core)->section_offset;
  Store<uint32_t>(&core[section + offsetof(Elf64_Shdr, sh_info)], 0x7fffffff, Endian::kLittle);
  EXPECT_EQ(Refused(core).code(), ErrorCode::kLimit);
}

TEST_F(ElfSource, RefusesACoreWithoutMemory) {
  Error error = Refused(ElfMaker().Vmcoreinfo("PAGESIZE=4096\n").Make());
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("PT_LOAD"));
}

TEST_F(ElfSource, RefusesTheCoreOfAProcess) {
  Error error = Refused(ElfMaker()
                            .AddNote("CORE", NT_PRSTATUS, Pattern(9, 336))
                            .Load(PhysAddr(0), Pattern(1), VirtAddr(0x400000))
                            .Load(PhysAddr(0), Pattern(2), VirtAddr(0x7f0000000000))
                            .Make());
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error.ToString(), HasSubstr("of a process"));
}

TEST_F(ElfSource, RefusesOtherElfFiles) {
  std::vector<std::byte> core = ElfMaker().Load(PhysAddr(0x1000), Pattern(1)).Make();
  Store<uint16_t>(&core[16], ET_EXEC, Endian::kLittle);
  Error error = Refused(core);
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error.ToString(), HasSubstr("an ELF file, but not a core dump"));
}

TEST_F(ElfSource, VerifyOfAWholeCoreFindsNothing) {
  const MemorySource& source = Open(ElfMaker().Load(PhysAddr(0x1000), Pattern(1, 3 << 20)).Make());
  Findings findings;
  EXPECT_TRUE(source.Verify(findings));
  EXPECT_TRUE(findings.all().empty());
}

TEST_F(ElfSource, VerifyNamesWhatIsMissing) {
  std::vector<std::byte> core = ElfMaker().Load(PhysAddr(0x1000), Pattern(1, 8 * 4096)).Make();
  core.resize(core.size() - 4096);
  const MemorySource& source = Open(core);
  Findings findings;
  EXPECT_TRUE(source.Verify(findings));
  EXPECT_NE(Find(findings, "source.elf.truncated"), nullptr);
  EXPECT_EQ(Find(findings, "source.elf.short"), nullptr);
}

TEST_F(ElfSource, VerifyNamesPagesThatWentSinceItWasOpened) {
  std::vector<std::byte> core = ElfMaker().Load(PhysAddr(0x1000), Pattern(1, 8 * 4096)).Make();
  const MemorySource& source = Open(core);
  file_->Resize(core.size() - 4096);
  Findings findings;
  EXPECT_TRUE(source.Verify(findings));
  const Finding* finding = Find(findings, "source.elf.short");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->count, 1u);
  EXPECT_EQ(finding->places[0], "phys 0x8000-0x9000");
  EXPECT_EQ(ReadError(source, 0x8000), ErrorCode::kTruncated);
}

TEST_F(ElfSource, FatesComeInRunsHoweverLong) {
  constexpr uint64_t kMemory = uint64_t{1} << 60;
  const MemorySource& source = Open(
      ElfMaker().Load(PhysAddr(0x1000), Pattern(1, 2 * 4096 + 10), VirtAddr(0), kMemory).Make());
  uint64_t pages = 0;
  uint64_t end = source.ram()[0].end.value / 4096;
  std::vector<PageFate> fates;
  for (uint64_t pfn = 1; pfn < end;) {
    PageFateRun run = source.FateFrom(Pfn(pfn), end - pfn);
    ASSERT_GE(run.pages, 1u);
    EXPECT_EQ(source.FateOf(Pfn(pfn + run.pages - 1)), run.fate);
    fates.push_back(run.fate);
    pfn += run.pages;
    pages += run.pages;
  }
  EXPECT_EQ(pages, kMemory / 4096);
  EXPECT_EQ(fates,
            (std::vector<PageFate>{PageFate::kPresent, PageFate::kExcluded, PageFate::kExcluded}));
  EXPECT_EQ(source.FateFrom(Pfn(0), 100).pages, 1u);
  EXPECT_EQ(source.FateFrom(Pfn(end), 1000).pages, 1000u);
  EXPECT_EQ(source.FateFrom(Pfn(1), 1).pages, 1u);
}

TEST_F(ElfSource, AFileCutInsideItsNotesIsCutAndNotDamaged) {
  std::vector<std::byte> whole = ElfMaker()
                                     .AddNote("CORE", NT_PRSTATUS, Pattern(9, 64))
                                     .Vmcoreinfo("PAGESIZE=4096\n")
                                     .Load(PhysAddr(0x1000), Pattern(1))
                                     .Make();
  auto header = format::ParseElfHeader(whole);
  ASSERT_TRUE(header);
  auto segments =
      format::ParseElfSegments(std::span(whole).subspan(header->program_offset), *header);
  ASSERT_TRUE(segments);
  whole.resize((*segments)[0].offset + 40);
  const MemorySource& source = Open(whole);
  EXPECT_NE(Find(source.findings(), "source.elf.notes-truncated"), nullptr);
  EXPECT_EQ(Find(source.findings(), "source.elf.notes-damaged"), nullptr);
}

}  // namespace
}  // namespace hmem::source
