// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/elf_writer.h"

#include <elf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/capture/target/positioned_fd_sink.h"
#include "hmem/base/fd.h"
#include "hmem/format/elf_core.h"
#include "tests/fakes/fake_positioned_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using format::ElfSegment;
using makers::ElfMaker;
using makers::Pattern;
using source::MemorySource;
using source::PageFate;

constexpr uint64_t kNoLimit = ~uint64_t{0};

// All of RAM but the pages given.
class ScanWithout final : public PageScan {
 public:
  ScanWithout(const MemorySource& source, std::vector<PfnRange> without)
      : whole_(source), without_(std::move(without)) {}
  bool Next(ScannedRun& run) override {
    if (rest_.pages.empty() && !whole_.Next(rest_)) return false;
    run = rest_;
    for (const PfnRange& range : without_) {
      if (range.contains(run.pages.start)) {
        run.keep = false;
        run.page_class = PageClass::kFree;
        run.pages.end = std::min(run.pages.end, range.end);
        break;
      }
      if (range.start > run.pages.start) run.pages.end = std::min(run.pages.end, range.start);
    }
    rest_.pages.start = run.pages.end;
    return true;
  }

 private:
  WholeScan whole_;
  std::vector<PfnRange> without_;
  ScannedRun rest_{};
};

ScanFactory Without(const MemorySource& source, std::vector<PfnRange> pages) {
  return [&source, pages] { return std::make_unique<ScanWithout>(source, pages); };
}

struct Written {
  Result<CaptureOutcome> outcome;
  Findings findings;
  std::string path;
};

std::vector<ElfSegment> SegmentsOf(std::span<const std::byte> core) {
  format::ElfHeader header = *format::ParseElfHeader(core);
  uint64_t count = header.program_count;
  if (format::ElfCountIsInSection(header))
    count = *format::ParseElfSectionCount(core.subspan(header.section_offset), header);
  return *format::ParseElfSegments(
      core.subspan(header.program_offset, count * format::ElfProgramEntryBytes(header.word_bytes)),
      header);
}

class ElfWriter : public testing::Test {
 protected:
  Written Write(const MemorySource& source, const PipelineOptions& options = {},
                std::vector<PfnRange> without = {}) {
    Written written{.outcome = CaptureOutcome{}, .findings = {}, .path = dir_.File("out.elf")};
    PositionedFdSink sink(*OpenFile(written.path, O_RDWR | O_CREAT | O_TRUNC, 0600),
                          PositionedFdSink::Kind::kFile, written.path);
    written.outcome = CaptureElf(source, Without(source, std::move(without)), sink, kNoLimit,
                                 options, written.findings);
    EXPECT_TRUE(sink.Close());
    return written;
  }
  Written WriteTo(fakes::FakePositionedSink& sink, const MemorySource& source,
                  std::vector<PfnRange> without = {}, uint64_t max_bytes = kNoLimit,
                  const PipelineOptions& options = {}) {
    Written written{.outcome = CaptureOutcome{}, .findings = {}, .path = {}};
    written.outcome = CaptureElf(source, Without(source, std::move(without)), sink, max_bytes,
                                 options, written.findings);
    written.path = dir_.Write("out.elf", sink.bytes);
    return written;
  }
  std::unique_ptr<MemorySource> Open(const std::string& path) {
    auto opened = source::Open(path);
    EXPECT_TRUE(opened) << opened.error().ToString();
    return opened ? *std::move(opened) : nullptr;
  }
  // Writes `core`, opens it, writes what was opened and compares the two.
  void RoundTrip(const std::vector<std::byte>& core) {
    auto from = Open(dir_.Write("in.elf", core));
    ASSERT_TRUE(from);
    Written written = Write(*from);
    ASSERT_TRUE(written.outcome) << written.outcome.error().ToString();
    EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_COMPLETE);
    EXPECT_FALSE(written.findings.HasLosses());
    auto to = Open(written.path);
    ASSERT_TRUE(to);
    EXPECT_TRUE(to->complete());
    EXPECT_EQ(to->elf_machine(), from->elf_machine());
    EXPECT_EQ(to->word_bytes(), from->word_bytes());
    EXPECT_EQ(to->endian(), from->endian());
    EXPECT_EQ(to->page_bytes(), from->page_bytes());
    EXPECT_TRUE(std::ranges::equal(to->ram(), from->ram()));
    ASSERT_EQ(to->notes().size(), from->notes().size());
    for (size_t i = 0; i < to->notes().size(); ++i) {
      EXPECT_EQ(to->notes()[i].name, from->notes()[i].name);
      EXPECT_EQ(to->notes()[i].type, from->notes()[i].type);
      EXPECT_EQ(to->notes()[i].desc, from->notes()[i].desc);
    }
    for (const PhysRange& range : from->ram()) {
      std::vector<std::byte> want(range.size()), got(range.size());
      ASSERT_TRUE(from->Read(range.start, want));
      ASSERT_TRUE(to->Read(range.start, got));
      EXPECT_EQ(want, got) << std::hex << range.start.value;
    }
    for (const source::VirtSegment& segment : from->virt_segments()) {
      bool kept = std::any_of(
          to->virt_segments().begin(), to->virt_segments().end(), [&](const auto& other) {
            return segment.virt.start >= other.virt.start && segment.virt.end <= other.virt.end &&
                   segment.virt.start - other.virt.start == segment.phys - other.phys;
          });
      EXPECT_TRUE(kept) << std::hex << segment.virt.start.value;
    }
  }

  makers::TempDir dir_;
};

std::vector<std::byte> WithHole() {
  std::vector<std::byte> bytes = Pattern(1, 3 * 4096);
  std::fill_n(bytes.begin() + 4096, 4096, std::byte{0});
  return bytes;
}

TEST_F(ElfWriter, Elf64LittleEndianComesBack) {
  RoundTrip(ElfMaker()
                .Vmcoreinfo("OSRELEASE=6.1.0\nPAGESIZE=4096\n")
                .AddNote("CORE", 1, Pattern(9, 336))
                .Load(PhysAddr(0x100000), WithHole(), VirtAddr(0xffff888000100000))
                .Load(PhysAddr(0x200000), Pattern(2, 4 * 4096), VirtAddr(0xffff888000200000))
                .Make());
}

TEST_F(ElfWriter, Elf32BigEndianComesBack) {
  RoundTrip(ElfMaker(Endian::kBig, 4, EM_PPC)
                .Vmcoreinfo("OSRELEASE=6.1.0\nPAGESIZE=4096\n")
                .Load(PhysAddr(0x1000), Pattern(1, 2 * 4096), VirtAddr(0xc0001000))
                .Load(PhysAddr(0x8000), Pattern(2, 4096), VirtAddr(0xc0008000))
                .Make());
}

// The kernel text is mapped a second time: its segment lies over the direct mapping's bytes.
TEST_F(ElfWriter, AnAliasSharesTheBytesOfItsRam) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 8 * 4096));
  machine.segments = {{.virt = {VirtAddr(0xffffffff81000000), VirtAddr(0xffffffff81002000)},
                       .phys = PhysAddr(0x102000)},
                      {.virt = {VirtAddr(0xffff888000100000), VirtAddr(0xffff888000108000)},
                       .phys = PhysAddr(0x100000)}};
  fakes::FakePositionedSink sink;
  Written written = WriteTo(sink, machine);
  ASSERT_TRUE(written.outcome);
  std::vector<ElfSegment> segments = SegmentsOf(sink.bytes);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0].type, static_cast<uint32_t>(PT_NOTE));
  EXPECT_EQ(segments[1].virt, VirtAddr(0xffffffff81000000));
  EXPECT_EQ(segments[2].virt, VirtAddr(0xffff888000100000));
  EXPECT_EQ(segments[1].offset, segments[2].offset + 0x2000);
  EXPECT_TRUE(written.findings.all().empty());
}

TEST_F(ElfWriter, AnAliasOutsideRamIsLeftOutAndTold) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 8 * 4096));
  machine.segments = {{.virt = {VirtAddr(0xffff888000100000), VirtAddr(0xffff888000108000)},
                       .phys = PhysAddr(0x100000)},
                      {.virt = {VirtAddr(0xffffffff81000000), VirtAddr(0xffffffff81004000)},
                       .phys = PhysAddr(0x106000)}};
  fakes::FakePositionedSink sink;
  Written written = WriteTo(sink, machine);
  EXPECT_EQ(SegmentsOf(sink.bytes).size(), 2u);
  ASSERT_EQ(written.findings.all().size(), 1u);
  EXPECT_EQ(written.findings.all()[0].id, "elf.alias-left-out");
}

// 4 MiB with 2 MiB left out in the middle, and the kernel's mapping over all of it.
TEST_F(ElfWriter, ALongStretchOfExcludedPagesTakesNoRoom) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x400000), Pattern(1, 4 << 20));
  machine.segments = {{.virt = {VirtAddr(0xffffffff81000000), VirtAddr(0xffffffff81400000)},
                       .phys = PhysAddr(0x400000)},
                      {.virt = {VirtAddr(0xffff888000300000), VirtAddr(0xffff888000900000)},
                       .phys = PhysAddr(0x300000)}};
  fakes::FakePositionedSink sink;
  Written written = WriteTo(sink, machine, {{Pfn(0x500), Pfn(0x700)}, {Pfn(0x710), Pfn(0x711)}});
  ASSERT_TRUE(written.outcome) << written.outcome.error().ToString();
  EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_COMPLETE);
  EXPECT_EQ(written.outcome->counts.excluded, 0x201u);
  EXPECT_FALSE(written.findings.HasLosses());
  EXPECT_LT(sink.bytes.size(), (2u << 20) + 20000);
  auto to = Open(written.path);
  ASSERT_TRUE(to);
  EXPECT_TRUE(to->complete());
  EXPECT_TRUE(std::ranges::equal(to->ram(), machine.ram()));
  EXPECT_EQ(to->FateOf(Pfn(0x4ff)), PageFate::kPresent);
  EXPECT_EQ(to->FateOf(Pfn(0x500)), PageFate::kExcluded);
  EXPECT_EQ(to->FateOf(Pfn(0x6ff)), PageFate::kExcluded);
  std::vector<std::byte> want(1 << 20), got(1 << 20);
  for (uint64_t at : {0x400000, 0x700000}) {
    ASSERT_TRUE(machine.Read(PhysAddr(at), want));
    ASSERT_TRUE(to->Read(PhysAddr(at), got));
    if (at == 0x700000) std::fill_n(want.begin() + 0x10000, 4096, std::byte{0});
    EXPECT_EQ(got, want) << at;
  }
  // Both pieces of the kernel's mapping lie on the bytes of RAM.
  std::vector<ElfSegment> segments = SegmentsOf(sink.bytes);
  ASSERT_EQ(segments.size(), 5u);
  for (size_t i : {1, 2}) {
    EXPECT_EQ(segments[i].phys, segments[i + 2].phys);
    EXPECT_EQ(segments[i].offset, segments[i + 2].offset);
    EXPECT_EQ(segments[i].file_bytes, segments[i + 2].file_bytes);
    EXPECT_EQ(segments[i].virt.value, 0xffffffff80c00000 + segments[i].phys.value);
    EXPECT_EQ(segments[i + 2].virt.value, 0xffff888000000000 + segments[i].phys.value);
  }
}

// Memory of zeros, and every 257th page of it is kept.
class StripedMachine final : public fakes::FakeSource {
 public:
  static constexpr uint64_t kStripePages = kElfGapPages + 1;

  explicit StripedMachine(uint64_t stripes)
      : ram_{{PhysAddr(0), PhysAddr(stripes * kStripePages * 4096)}} {}
  Status Read(PhysAddr, std::span<std::byte> out) const override {
    std::ranges::fill(out, std::byte{0});
    return {};
  }
  std::span<const PhysRange> ram() const override { return ram_; }
  source::PageFateRun FateFrom(Pfn, uint64_t most_pages) const override {
    return {PageFate::kPresent, most_pages};
  }

 private:
  std::vector<PhysRange> ram_;
};

class StripeScan final : public PageScan {
 public:
  explicit StripeScan(const MemorySource& source)
      : end_(source.ram().back().end.value / source.page_bytes()) {}
  bool Next(ScannedRun& run) override {
    if (at_ == end_) return false;
    run = {.keep = at_ % StripedMachine::kStripePages == 0};
    const uint64_t pages = run.keep ? 1 : kElfGapPages;
    run.pages = {Pfn(at_), Pfn(at_ + pages)};
    at_ += pages;
    return true;
  }

 private:
  uint64_t at_ = 0;
  uint64_t end_;
};

TEST_F(ElfWriter, MoreSegmentsThanTheHeaderCountsAreInASection) {
  StripedMachine machine(PN_XNUM);
  fakes::FakePositionedSink sink;
  Findings findings;
  auto outcome = CaptureElf(
      machine, [&] { return std::make_unique<StripeScan>(machine); }, sink, kNoLimit, {}, findings);
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_COMPLETE);
  format::ElfHeader header = *format::ParseElfHeader(sink.bytes);
  EXPECT_TRUE(format::ElfCountIsInSection(header));
  EXPECT_EQ(header.program_offset, 64u);
  std::vector<ElfSegment> segments = SegmentsOf(sink.bytes);
  ASSERT_EQ(segments.size(), PN_XNUM + 1u);
  EXPECT_EQ(segments.back().file_bytes, 4096u);
  EXPECT_EQ(segments.back().memory_bytes, StripedMachine::kStripePages * 4096);
  EXPECT_EQ(segments.back().offset + 4096, sink.bytes.size());
}

TEST_F(ElfWriter, WorkersMakeTheSameCoreAsOne) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x400000), Pattern(1, 4 << 20));
  machine.memory.AddZero({PhysAddr(0x900000), PhysAddr(0xa00000)});
  fakes::FakePositionedSink one, three;
  ASSERT_TRUE(WriteTo(one, machine, {{Pfn(0x500), Pfn(0x601)}}).outcome);
  ASSERT_TRUE(WriteTo(three, machine, {{Pfn(0x500), Pfn(0x601)}}, kNoLimit, {.jobs = 3}).outcome);
  EXPECT_EQ(one.bytes, three.bytes);
}

// A pipe is given the same bytes, zeros for the holes.
TEST_F(ElfWriter, AStreamIsGivenEverythingInARow) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x400000), Pattern(1, 4 << 20));
  machine.memory.AddZero({PhysAddr(0x900000), PhysAddr(0xa00000)});
  fakes::FakePositionedSink file, stream;
  stream.goes_back = false;
  ASSERT_TRUE(WriteTo(file, machine, {{Pfn(0x500), Pfn(0x601)}}).outcome);
  Written written = WriteTo(stream, machine, {{Pfn(0x500), Pfn(0x601)}});
  ASSERT_TRUE(written.outcome) << written.outcome.error().ToString();
  EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_COMPLETE);
  EXPECT_EQ(stream.bytes, file.bytes);
}

TEST_F(ElfWriter, ZeroPagesAreHolesInAFile) {
  fakes::FakeSource machine;
  machine.memory.AddZero({PhysAddr(0x100000), PhysAddr(0x900000)});
  machine.memory.Write(PhysAddr(0x100000), Pattern(1));
  Written written = Write(machine);
  ASSERT_TRUE(written.outcome);
  struct stat st;
  ASSERT_EQ(::stat(written.path.c_str(), &st), 0);
  EXPECT_GE(st.st_size, 8 << 20);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
}

TEST_F(ElfWriter, MissingPagesAreZerosAndALoss) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 4 * 4096));
  machine.memory.Fail({PhysAddr(0x101000), PhysAddr(0x102000)}, Error::FromErrno("memory", EIO));
  Written written = Write(machine);
  ASSERT_TRUE(written.outcome);
  EXPECT_EQ(written.outcome->counts.unreadable, 1u);
  EXPECT_TRUE(written.findings.HasLosses());
  auto to = Open(written.path);
  ASSERT_TRUE(to);
  std::vector<std::byte> page(4096);
  ASSERT_TRUE(to->Read(PhysAddr(0x101000), page));
  EXPECT_EQ(page, std::vector<std::byte>(4096));
  ASSERT_TRUE(to->Read(PhysAddr(0x102000), page));
  EXPECT_NE(page, std::vector<std::byte>(4096));
}

TEST_F(ElfWriter, Elf32OnlyWhereAllOfItFits) {
  fakes::FakeSource small(Endian::kLittle, 4);
  small.memory.AddZero({PhysAddr(0x1000), PhysAddr(0x2000)});
  EXPECT_EQ(ElfWordBytes(small), 4);
  small.extra_ram = {{PhysAddr(0xfffff000), PhysAddr(0x100001000)}};  // PAE
  EXPECT_EQ(ElfWordBytes(small), 8);
  EXPECT_EQ(ElfWordBytes(fakes::FakeSource()), 8);
}

TEST_F(ElfWriter, AFullTargetLeavesACoreThatIsMarked) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 4 << 20));
  fakes::FakePositionedSink sink;
  sink.capacity = 2 << 20;
  Written written = WriteTo(sink, machine);
  ASSERT_TRUE(written.outcome);
  EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_NO_SPACE);
  EXPECT_GT(written.outcome->counts.kept, 200u);
  EXPECT_EQ(written.outcome->counts.all(), written.outcome->ram_pages);
  EXPECT_EQ(format::ParseElfHeader(sink.bytes)->flags, format::kElfIncomplete);
  auto to = Open(written.path);
  ASSERT_TRUE(to);
  EXPECT_FALSE(to->complete());
  EXPECT_EQ(to->FateOf(Pfn(0x100)), PageFate::kPresent);
  EXPECT_EQ(to->FateOf(Pfn(0x4ff)), PageFate::kNotReached);
}

TEST_F(ElfWriter, ASizeLimitHolds) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 4 << 20));
  fakes::FakePositionedSink sink;
  Written written = WriteTo(sink, machine, {}, 2 << 20);
  ASSERT_TRUE(written.outcome);
  EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_MAX_BYTES);
  EXPECT_LE(sink.bytes.size(), 2u << 20);
  fakes::FakePositionedSink none;
  EXPECT_EQ(WriteTo(none, machine, {}, 100).outcome.error().code(), ErrorCode::kLimit);
}

TEST_F(ElfWriter, ATargetThatBreaksIsAWriteError) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 4 << 20));
  fakes::FakePositionedSink sink;
  sink.breaks_at = 2 << 20;
  Written written = WriteTo(sink, machine);
  ASSERT_TRUE(written.outcome);
  EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_WRITE_ERROR);
  ASSERT_TRUE(written.outcome->write_error);
  EXPECT_EQ(written.outcome->write_error->errno_value(), EIO);
}

TEST_F(ElfWriter, APastDeadlineEndsIt) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0), Pattern(1));
  Written written = Write(machine, {.deadline = std::chrono::steady_clock::now()});
  ASSERT_TRUE(written.outcome);
  EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_DEADLINE);
  auto to = Open(written.path);
  ASSERT_TRUE(to);
  EXPECT_FALSE(to->complete());
}

}  // namespace
}  // namespace hmem::capture
