// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/elf_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "hmem/base/fd.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using makers::ElfMaker;
using makers::Pattern;
using source::MemorySource;

struct Written {
  Result<CaptureOutcome> outcome;
  Findings findings;
  std::string path;
};

class ElfWriter : public testing::Test {
 protected:
  Written Write(const MemorySource& source, const PipelineOptions& options = {}) {
    Written written{.outcome = CaptureOutcome{}, .findings = {}, .path = dir_.File("out.elf")};
    FdSink sink(*OpenFile(written.path, O_RDWR | O_CREAT | O_TRUNC, 0600), FdSink::Kind::kFile,
                written.path, 0);
    written.outcome = CaptureElf(source, sink, options, written.findings);
    EXPECT_TRUE(sink.Close());
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
  Findings findings;
  auto segments = PlanElfSegments(machine, 8, 100, findings);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0].type, static_cast<uint32_t>(PT_NOTE));
  EXPECT_EQ(segments[1].virt, VirtAddr(0xffffffff81000000));
  EXPECT_EQ(segments[2].virt, VirtAddr(0xffff888000100000));
  EXPECT_EQ(segments[1].offset, segments[2].offset + 0x2000);
  EXPECT_TRUE(findings.all().empty());
}

TEST_F(ElfWriter, AnAliasOutsideRamIsLeftOutAndTold) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0x100000), Pattern(1, 8 * 4096));
  machine.segments = {{.virt = {VirtAddr(0xffff888000100000), VirtAddr(0xffff888000108000)},
                       .phys = PhysAddr(0x100000)},
                      {.virt = {VirtAddr(0xffffffff81000000), VirtAddr(0xffffffff81004000)},
                       .phys = PhysAddr(0x106000)}};
  Findings findings;
  EXPECT_EQ(PlanElfSegments(machine, 8, 0, findings).size(), 2u);
  ASSERT_EQ(findings.all().size(), 1u);
  EXPECT_EQ(findings.all()[0].id, "elf.alias-left-out");
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

TEST_F(ElfWriter, AFullTargetIsToldApart) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0), Pattern(1, 16 * 4096));
  FdSink sink(*OpenFile("/dev/full", O_WRONLY), FdSink::Kind::kStream, "full", 0);
  Findings findings;
  auto outcome = CaptureElf(machine, sink, {}, findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_NO_SPACE);
  ASSERT_TRUE(outcome->write_error);
  EXPECT_EQ(outcome->write_error->errno_value(), ENOSPC);
}

TEST_F(ElfWriter, APastDeadlineEndsIt) {
  fakes::FakeSource machine;
  machine.memory.Write(PhysAddr(0), Pattern(1));
  Written written = Write(machine, {.deadline = std::chrono::steady_clock::now()});
  ASSERT_TRUE(written.outcome);
  EXPECT_EQ(written.outcome->reason, v1::DumpEnd::REASON_DEADLINE);
}

}  // namespace
}  // namespace hmem::capture
