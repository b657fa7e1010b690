// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/kdump_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "dumptools/capture/filter/whole_scan.h"
#include "hmem/format/kdump_header.h"
#include "tests/fakes/fake_positioned_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using format::KdumpHeader;
using format::KdumpLayout;
using makers::Pattern;
using source::MemorySource;
using source::PageFate;
using v1::DumpEnd;

// The runs it is given, whatever the source has.
class ListScan final : public PageScan {
 public:
  explicit ListScan(std::vector<ScannedRun> runs) : runs_(std::move(runs)) {}
  bool Next(ScannedRun& run) override {
    if (next_ == runs_.size()) return false;
    run = runs_[next_++];
    return true;
  }

 private:
  std::vector<ScannedRun> runs_;
  size_t next_ = 0;
};

ScanFactory Whole(const MemorySource& source) {
  return [&source] { return std::make_unique<WholeScan>(source); };
}

struct Made {
  Result<CaptureOutcome> outcome;
  Findings findings;
};

class KdumpWriter : public testing::Test {
 protected:
  Made Make(const MemorySource& source, const std::string& codec = "lzo",
            const PipelineOptions& pipeline = {}, ScanFactory scans = {}) {
    options_.codec = *codec::FindCodec(codec);
    Made made{.outcome = CaptureOutcome{}, .findings = {}};
    made.outcome = CaptureKdump(source, scans ? scans : Whole(source), sink_, options_, pipeline,
                                made.findings);
    return made;
  }
  std::unique_ptr<MemorySource> Open() { return OpenBytes(sink_.bytes); }
  std::unique_ptr<MemorySource> OpenBytes(std::span<const std::byte> bytes) {
    auto opened = source::Open(dir_.Write("dump", bytes));
    EXPECT_TRUE(opened) << opened.error().ToString();
    return opened ? *std::move(opened) : nullptr;
  }
  KdumpHeader Header() { return *format::ParseKdumpHeader(sink_.bytes); }
  void ExpectSame(const MemorySource& from, const MemorySource& to) {
    EXPECT_EQ(to.elf_machine(), from.elf_machine());
    EXPECT_EQ(to.word_bytes(), from.word_bytes());
    EXPECT_EQ(to.endian(), from.endian());
    EXPECT_EQ(to.page_bytes(), from.page_bytes());
    EXPECT_TRUE(std::ranges::equal(to.ram(), from.ram()));
    ASSERT_EQ(to.notes().size(), from.notes().size());
    for (size_t i = 0; i < to.notes().size(); ++i) {
      EXPECT_EQ(to.notes()[i].name, from.notes()[i].name);
      EXPECT_EQ(to.notes()[i].desc, from.notes()[i].desc);
    }
    std::vector<PhysRange> ram(from.ram().begin(), from.ram().end());
    for (const PhysRange& range : ram) {
      std::vector<std::byte> want(range.size()), got(range.size());
      ASSERT_TRUE(from.Read(range.start, want));
      ASSERT_TRUE(to.Read(range.start, got));
      EXPECT_EQ(got, want);
    }
  }

  makers::TempDir dir_;
  fakes::FakePositionedSink sink_;
  KdumpOptions options_;
};

class KdumpWriterCodecs : public KdumpWriter, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Codec, KdumpWriterCodecs,
                         testing::Values("none", "zlib", "lzo", "snappy", "zstd"));

TEST_P(KdumpWriterCodecs, EveryPageComesBack) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  Made made = Make(machine, GetParam());
  ASSERT_TRUE(made.outcome) << made.outcome.error().ToString();
  EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_COMPLETE);
  EXPECT_EQ(made.outcome->counts.all(), made.outcome->ram_pages);
  EXPECT_GT(made.outcome->counts.zero, 100u);
  EXPECT_EQ(made.outcome->stream_bytes, sink_.bytes.size());
  EXPECT_FALSE(made.findings.HasLosses());
  auto dump = Open();
  ASSERT_TRUE(dump);
  EXPECT_EQ(dump->format(), "kdump");
  EXPECT_TRUE(dump->complete());
  ExpectSame(machine, *dump);
  Findings findings;
  ASSERT_TRUE(dump->Verify(findings));
  EXPECT_TRUE(findings.all().empty());
  EXPECT_EQ(Header().status, *format::KdumpCodecFlag(GetParam()));
}

TEST_P(KdumpWriterCodecs, WorkersMakeTheSameFileAsOne) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  ASSERT_TRUE(Make(machine, GetParam()).outcome);
  std::vector<std::byte> one = std::exchange(sink_.bytes, {});
  ASSERT_TRUE(Make(machine, GetParam(), {.jobs = 3}).outcome);
  EXPECT_EQ(sink_.bytes, one);
}

TEST_F(KdumpWriter, EveryLayoutComesBack) {
  struct Case {
    Endian endian;
    int word_bytes;
    uint16_t machine;
    KdumpLayout layout;
  };
  for (const Case& c : {Case{Endian::kLittle, 8, EM_AARCH64, KdumpLayout::k64},
                        Case{Endian::kBig, 8, EM_S390, KdumpLayout::k64},
                        Case{Endian::kBig, 4, EM_PPC, KdumpLayout::k32Padded},
                        Case{Endian::kLittle, 4, EM_386, KdumpLayout::k32Packed}}) {
    fakes::FakeSource machine(c.endian, c.word_bytes);
    machine.machine = c.machine;
    makers::FillMachine(machine);
    sink_ = {};
    Made made = Make(machine);
    ASSERT_TRUE(made.outcome) << made.outcome.error().ToString();
    EXPECT_EQ(Header().layout, c.layout);
    auto dump = Open();
    ASSERT_TRUE(dump);
    EXPECT_TRUE(dump->complete());
    ExpectSame(machine, *dump);
  }
}

TEST_F(KdumpWriter, OfArmBitZeroIsTheFirstPageOfRam) {
  fakes::FakeSource machine(Endian::kLittle, 4);
  machine.machine = EM_ARM;
  machine.memory.Write(PhysAddr(0x80000000), Pattern(1, 3 * 4096));
  ASSERT_TRUE(Make(machine).outcome);
  auto dump = Open();
  ASSERT_TRUE(dump);
  ExpectSame(machine, *dump);
  EXPECT_LT(sink_.bytes.size(), 100000u);
}

TEST_F(KdumpWriter, TheHeaderSaysWhoItIs) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  machine.AddNote("CORE", 1, Pattern(5, 336));
  options_.dump_level = 31;
  ASSERT_TRUE(Make(machine).outcome);
  KdumpHeader header = Header();
  EXPECT_EQ(header.version, 6u);
  EXPECT_EQ(header.utsname[0], "Linux");
  EXPECT_EQ(header.utsname[2], "6.1.0-made");
  EXPECT_EQ(header.machine(), "x86_64");
  EXPECT_EQ(header.time_seconds, 1700000000u);
  EXPECT_EQ(header.nr_cpus, 2u);
  auto sub = format::ParseKdumpSubHeader(std::span(sink_.bytes).subspan(4096), header);
  ASSERT_TRUE(sub);
  EXPECT_EQ(sub->dump_level, 31u);
  EXPECT_EQ(sub->max_mapnr_64, 0x1180u);
  std::string text(reinterpret_cast<const char*>(&sink_.bytes[sub->vmcoreinfo_offset]),
                   sub->vmcoreinfo_bytes);
  EXPECT_EQ(text, "OSRELEASE=6.1.0-made\nPAGESIZE=4096\nCRASHTIME=1700000000\n");
}

TEST_F(KdumpWriter, ExcludedPagesAreRamThatIsNotInTheFile) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 8 * 4096));
  auto scans = [] {
    return std::make_unique<ListScan>(std::vector<ScannedRun>{
        {.pages = {Pfn(0x100), Pfn(0x102)}},
        {.pages = {Pfn(0x102), Pfn(0x105)}, .page_class = PageClass::kFree, .keep = false},
        {.pages = {Pfn(0x105), Pfn(0x108)}}});
  };
  Made made = Make(machine, "zlib", {}, scans);
  ASSERT_TRUE(made.outcome);
  EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_COMPLETE);
  EXPECT_EQ(made.outcome->counts.excluded, 3u);
  auto dump = Open();
  ASSERT_TRUE(dump);
  EXPECT_TRUE(dump->complete());
  EXPECT_EQ(dump->FateOf(Pfn(0x101)), PageFate::kPresent);
  EXPECT_EQ(dump->FateOf(Pfn(0x102)), PageFate::kExcluded);
  EXPECT_EQ(dump->FateOf(Pfn(0x104)), PageFate::kExcluded);
  std::vector<std::byte> got(3 * 4096), all = Pattern(1, 8 * 4096);
  ASSERT_TRUE(dump->Read(PhysAddr(0x105000), got));
  EXPECT_TRUE(std::equal(got.begin(), got.end(), all.begin() + 5 * 4096));
}

TEST_F(KdumpWriter, UnreadablePagesAreLeftOutAndTold) {
  fakes::FakeSource inner;
  inner.memory.Write(PhysAddr(0x100000), Pattern(1, 8 * 4096));
  // The source does not know before it reads.
  fakes::TearingSource machine(inner);
  machine.FailRange({PhysAddr(0x102000), PhysAddr(0x103000)}, EIO);
  Made made = Make(machine);
  ASSERT_TRUE(made.outcome);
  EXPECT_EQ(made.outcome->counts.unreadable, 1u);
  EXPECT_TRUE(made.findings.HasLosses());
  auto dump = Open();
  ASSERT_TRUE(dump);
  EXPECT_EQ(dump->FateOf(Pfn(0x102)), PageFate::kExcluded);
  for (uint64_t pfn : {0x100, 0x101, 0x103, 0x107}) {
    std::vector<std::byte> got(4096), want(4096);
    ASSERT_TRUE(inner.Read(PhysAddr(pfn * 4096), want));
    ASSERT_TRUE(dump->Read(PhysAddr(pfn * 4096), got)) << pfn;
    EXPECT_EQ(got, want) << pfn;
  }
}

TEST_F(KdumpWriter, AFullTargetLeavesAValidFileThatSaysIncomplete) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  ASSERT_TRUE(Make(machine, "none").outcome);
  const size_t whole = sink_.bytes.size();
  for (bool promises : {true, false}) {
    sink_ = {};
    sink_.capacity = whole / 2;
    sink_.promises = promises;
    Made made = Make(machine, "none");
    ASSERT_TRUE(made.outcome) << made.outcome.error().ToString();
    EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_NO_SPACE);
    EXPECT_GT(made.outcome->counts.kept, 50u);
    EXPECT_GT(made.outcome->counts.missing, 50u);
    EXPECT_EQ(made.outcome->counts.all(), made.outcome->ram_pages);
    EXPECT_EQ(Header().status, format::kKdumpIncomplete);
    auto dump = Open();
    ASSERT_TRUE(dump);
    EXPECT_FALSE(dump->complete());
    EXPECT_TRUE(std::ranges::equal(dump->ram(), machine.ram()));
    EXPECT_EQ(dump->FateOf(Pfn(0x117f)), PageFate::kNotReached);
    // All that the counts call written is there and right.
    uint64_t there = 0;
    std::vector<std::byte> got(4096), want(4096);
    for (uint64_t pfn = 0x100; pfn < 0x1180; ++pfn) {
      if (dump->FateOf(Pfn(pfn)) != PageFate::kPresent) continue;
      ++there;
      ASSERT_TRUE(dump->Read(PhysAddr(pfn * 4096), got));
      ASSERT_TRUE(machine.Read(PhysAddr(pfn * 4096), want));
      ASSERT_EQ(got, want) << pfn;
    }
    EXPECT_EQ(there, made.outcome->counts.kept + made.outcome->counts.zero);
  }
}

TEST_F(KdumpWriter, ASizeLimitHolds) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  options_.max_bytes = 700000;
  Made made = Make(machine, "none");
  ASSERT_TRUE(made.outcome);
  EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_MAX_BYTES);
  EXPECT_LE(sink_.bytes.size(), 700000u);
  EXPECT_GT(made.outcome->counts.kept, 0u);
  EXPECT_NE(Header().status & format::kKdumpIncomplete, 0u);
  options_.max_bytes = 1000;
  sink_ = {};
  made = Make(machine);
  ASSERT_FALSE(made.outcome);
  EXPECT_EQ(made.outcome.error().code(), ErrorCode::kLimit);
  EXPECT_TRUE(sink_.bytes.empty());
}

TEST_F(KdumpWriter, NoRoomForTheHeadMakesNoFile) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  sink_.capacity = 10000;
  Made made = Make(machine);
  ASSERT_FALSE(made.outcome);
  EXPECT_EQ(made.outcome.error().errno_value(), ENOSPC);
  EXPECT_TRUE(sink_.bytes.empty());
}

TEST_F(KdumpWriter, APastDeadlineLeavesEveryPageNotReached) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  Made made = Make(machine, "lzo", {.deadline = std::chrono::steady_clock::now()});
  ASSERT_TRUE(made.outcome);
  EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_DEADLINE);
  EXPECT_EQ(made.outcome->counts.missing, made.outcome->ram_pages);
  auto dump = Open();
  ASSERT_TRUE(dump);
  EXPECT_FALSE(dump->complete());
  EXPECT_EQ(dump->FateOf(Pfn(0x100)), PageFate::kNotReached);
}

TEST_F(KdumpWriter, ATargetThatBreaksIsAWriteError) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  sink_.breaks_at = 600000;
  Made made = Make(machine, "none");
  ASSERT_TRUE(made.outcome);
  EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_WRITE_ERROR);
  ASSERT_TRUE(made.outcome->write_error);
  EXPECT_EQ(made.outcome->write_error->errno_value(), EIO);
  EXPECT_NE(Header().status & format::kKdumpIncomplete, 0u);
}

// What a power cut at any moment leaves: "incomplete" until all is there, and never a wrong page.
TEST_F(KdumpWriter, NoCutLooksComplete) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  sink_.keeps_syncs = true;
  Made made = Make(machine, "lzo", {.flush_every = std::chrono::steady_clock::duration::zero()});
  ASSERT_TRUE(made.outcome);
  ASSERT_GT(sink_.synced.size(), 6u);
  std::vector<std::byte> got(4096), want(4096);
  uint64_t before = 0;
  for (const auto& state : sink_.synced) {
    auto header = format::ParseKdumpHeader(state);
    if (!header) continue;  // the bitmaps of an older dump are being written over
    const bool last = &state == &sink_.synced.back();
    EXPECT_EQ((header->status & format::kKdumpIncomplete) == 0, last);
    auto dump = OpenBytes(state);
    ASSERT_TRUE(dump);
    EXPECT_EQ(dump->complete(), last);
    // Behind what is there nothing is known; nobody left it out.
    EXPECT_NE(dump->FateOf(Pfn(0x117f)), PageFate::kExcluded);
    uint64_t present = 0;
    for (uint64_t pfn = 0x100; pfn < 0x1180; ++pfn) {
      if (dump->FateOf(Pfn(pfn)) != PageFate::kPresent) continue;
      ++present;
      ASSERT_TRUE(dump->Read(PhysAddr(pfn * 4096), got));
      ASSERT_TRUE(machine.Read(PhysAddr(pfn * 4096), want));
      ASSERT_EQ(got, want) << pfn;
    }
    EXPECT_GE(present, before);
    before = present;
  }
  EXPECT_EQ(before, 0x200u + 0x180u);
}

TEST_F(KdumpWriter, ASourceThatIsCutMakesAnIncompleteFile) {
  fakes::FakeSource machine;
  makers::FillMachine(machine);
  machine.memory.Fail({PhysAddr(0x1100000), PhysAddr(0x1180000)}, ErrorCode::kTruncated);
  Made made = Make(machine);
  ASSERT_TRUE(made.outcome);
  EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_SOURCE_CUT);
  EXPECT_EQ(made.outcome->counts.missing, 0x80u);
  auto dump = Open();
  ASSERT_TRUE(dump);
  EXPECT_FALSE(dump->complete());
}

TEST_F(KdumpWriter, RefusesWhatTheFormatHasNoRoomFor) {
  fakes::FakeSource machine;
  EXPECT_EQ(Make(machine).outcome.error().code(), ErrorCode::kNotFound);  // no RAM
  machine.memory.Write(PhysAddr(0x1000), Pattern(1));
  machine.machine = 0x9999;
  EXPECT_EQ(Make(machine).outcome.error().code(), ErrorCode::kUnsupported);
  machine.machine = EM_X86_64;
  machine.extra_ram = {{PhysAddr(uint64_t{1} << 60), PhysAddr((uint64_t{1} << 60) + 4096)}};
  EXPECT_EQ(Make(machine).outcome.error().code(), ErrorCode::kLimit);
  EXPECT_TRUE(sink_.bytes.empty());
}

// A scan that finds more the second time would write over the first page.
TEST_F(KdumpWriter, MorePagesThanWereCountedAreAnError) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 8 * 4096));
  int scan = 0;
  auto scans = [&scan] {
    return std::make_unique<ListScan>(
        std::vector<ScannedRun>{{.pages = {Pfn(0x100), Pfn(scan++ == 0 ? 0x102 : 0x108)}}});
  };
  Made made = Make(machine, "none", {}, scans);
  ASSERT_TRUE(made.outcome);
  EXPECT_EQ(made.outcome->reason, DumpEnd::REASON_WRITE_ERROR);
  EXPECT_THAT(made.outcome->write_error->ToString(), testing::HasSubstr("counted"));
}

}  // namespace
}  // namespace hmem::capture
