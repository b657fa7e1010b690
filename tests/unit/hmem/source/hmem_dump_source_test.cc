// SPDX-License-Identifier: GPL-2.0-or-later
// Round trips, every kind of damage, cuts anywhere, stale frames.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "hmem/source/hmem_pages.h"
#include "hmem/source/memory_source.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using format::FrameType;
using makers::FrameSpan;
using makers::HmemMaking;

bool Has(const Findings& findings, std::string_view id) {
  return std::any_of(findings.all().begin(), findings.all().end(),
                     [&](const Finding& f) { return f.id == id; });
}

std::string IdsOf(const Findings& findings) {
  std::string ids;
  for (const Finding& f : findings.all())
    ids += f.id + " (" + (f.places.empty() ? "" : f.places[0]) + ": " + f.text + ") ";
  return ids;
}

class HmemSource : public testing::Test {
 protected:
  HmemSource() { makers::FillMachine(machine_); }

  Result<std::unique_ptr<MemorySource>> OpenBytes(std::span<const std::byte> bytes) {
    file_.emplace(bytes);
    return Open(file_->path());
  }

  // Every page that the dump says is present has the machine's bytes; returns how many there are.
  uint64_t CheckPages(const MemorySource& dump) {
    uint64_t present = 0;
    std::vector<std::byte> want(4096), got(4096);
    for (const PhysRange& range : machine_.ram()) {
      for (PhysAddr page = range.start; page < range.end; page = page + 4096) {
        if (dump.FateOf(Pfn(page.value / 4096)) != PageFate::kPresent) continue;
        EXPECT_TRUE(machine_.Read(page, want));
        auto status = dump.Read(page, got);
        EXPECT_TRUE(status) << status.error().ToString();
        EXPECT_EQ(want, got) << std::hex << page.value;
        ++present;
      }
    }
    return present;
  }
  uint64_t PagesOfMachine() {
    uint64_t pages = 0;
    for (const PhysRange& range : machine_.ram()) pages += range.size() / 4096;
    return pages;
  }
  FrameSpan FirstOf(std::span<const std::byte> stream, FrameType type, size_t skip = 0) {
    for (const FrameSpan& frame : makers::FramesOf(stream)) {
      if (frame.header.type == type && skip-- == 0) return frame;
    }
    ADD_FAILURE() << "no such frame";
    return {};
  }

  fakes::FakeSource machine_;
  std::optional<makers::TempFile> file_;
};

TEST_F(HmemSource, GivesBackEveryPageNoteAndRange) {
  for (const char* codec : {"lz4", "zstd", "none"}) {
    auto dump = OpenBytes(makers::HmemBytes(machine_, {.codec = codec}));
    ASSERT_TRUE(dump) << dump.error().ToString();
    EXPECT_EQ((*dump)->format(), "hmem");
    EXPECT_TRUE((*dump)->complete());
    EXPECT_TRUE((*dump)->findings().all().empty()) << IdsOf((*dump)->findings());
    EXPECT_EQ(CheckPages(**dump), PagesOfMachine());
    EXPECT_TRUE(std::ranges::equal((*dump)->ram(), machine_.ram()));
    ASSERT_EQ((*dump)->notes().size(), 2u);
    EXPECT_EQ((*dump)->notes()[0].desc, machine_.notes()[0].desc);
    ASSERT_EQ((*dump)->virt_segments().size(), 1u);
    EXPECT_EQ((*dump)->virt_segments()[0].virt.start, VirtAddr(0xffff888000100000));
    EXPECT_EQ((*dump)->identity().crash_id, "00112233445566778899aabbccddeeff");
    EXPECT_EQ((*dump)->identity().dump_id.substr(0, 6), "010203");
    EXPECT_EQ((*dump)->first_failure().size(), 8u);
    Findings findings;
    ASSERT_TRUE((*dump)->Verify(findings));
    EXPECT_TRUE(findings.all().empty()) << IdsOf(findings);
  }
}

TEST_F(HmemSource, ReadsAcrossPagesAndBlocks) {
  auto dump = OpenBytes(makers::HmemBytes(machine_));
  ASSERT_TRUE(dump);
  std::vector<std::byte> want(300000), got(want.size());
  ASSERT_TRUE(machine_.Read(PhysAddr(0x100123), want));
  ASSERT_TRUE((*dump)->Read(PhysAddr(0x100123), got));
  EXPECT_EQ(want, got);
}

TEST_F(HmemSource, TellsAHoleFromRam) {
  auto dump = OpenBytes(makers::HmemBytes(machine_));
  ASSERT_TRUE(dump);
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x800000), out).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ((*dump)->FateOf(Pfn(0x800)), PageFate::kHole);
  EXPECT_EQ((*dump)->Read(PhysAddr(~uint64_t{0} - 4), out).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(HmemSource, UnreadablePagesAreNamedAndMakeItIncomplete) {
  machine_.memory.Fail({PhysAddr(0x104000), PhysAddr(0x106000)}, Error::FromErrno("memory", EIO));
  auto dump = OpenBytes(makers::HmemBytes(machine_));
  ASSERT_TRUE(dump);
  EXPECT_FALSE((*dump)->complete());
  EXPECT_EQ((*dump)->FateOf(Pfn(0x104)), PageFate::kUnreadable);
  std::vector<std::byte> out(16);
  auto read = (*dump)->Read(PhysAddr(0x105000), out);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kIo);
  EXPECT_EQ(read.error().errno_value(), EIO);
  Findings findings;
  ASSERT_TRUE((*dump)->Verify(findings));
  EXPECT_TRUE(Has(findings, "hmem.unreadable"));
}

TEST_F(HmemSource, PagesLeftOutBeforeStayExcluded) {
  machine_.memory.Fail({PhysAddr(0x104000), PhysAddr(0x106000)}, ErrorCode::kExcluded);
  auto dump = OpenBytes(makers::HmemBytes(machine_));
  ASSERT_TRUE(dump);
  EXPECT_TRUE((*dump)->complete());
  EXPECT_EQ((*dump)->FateOf(Pfn(0x105)), PageFate::kExcluded);
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x105000), out).error().code(), ErrorCode::kExcluded);
}

TEST_F(HmemSource, OpensCutAtEveryFrameBoundary) {
  auto bytes = makers::HmemBytes(machine_);
  auto frames = makers::FramesOf(bytes);
  ASSERT_GT(frames.size(), 8u);
  uint64_t before = 0;
  for (const FrameSpan& frame : frames) {
    if (frame.offset == 0) continue;
    auto dump = OpenBytes(std::span(bytes).first(frame.offset));
    ASSERT_TRUE(dump) << dump.error().ToString();
    EXPECT_EQ((*dump)->complete(), frame.offset > FirstOf(bytes, FrameType::kEnd).offset)
        << frame.offset;
    uint64_t pages = CheckPages(**dump);
    EXPECT_GE(pages, before);  // what was there stays
    before = pages;
    EXPECT_TRUE((*dump)->complete() || Has((*dump)->findings(), "hmem.cut"))
        << IdsOf((*dump)->findings());
    EXPECT_TRUE(pages == PagesOfMachine() || Has((*dump)->findings(), "hmem.not-reached"));
    Findings findings;
    ASSERT_TRUE((*dump)->Verify(findings));
    EXPECT_EQ(findings.HasLosses(), !(*dump)->complete());
  }
  EXPECT_EQ(before, PagesOfMachine());
}

TEST_F(HmemSource, OpensCutAtRandomBytes) {
  auto bytes = makers::HmemBytes(machine_);
  uint64_t header_end = makers::FramesOf(bytes)[0].header.total_bytes();
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    uint64_t cut = random() % bytes.size();
    auto dump = OpenBytes(std::span(bytes).first(cut));
    if (cut < header_end) {
      ASSERT_FALSE(dump) << cut;
      EXPECT_TRUE(dump.error().code() == ErrorCode::kTruncated ||
                  dump.error().code() == ErrorCode::kUnsupported)
          << dump.error().ToString();
      continue;
    }
    ASSERT_TRUE(dump) << cut << ": " << dump.error().ToString();
    EXPECT_FALSE(cut < FirstOf(bytes, FrameType::kEnd).offset + 64 && (*dump)->complete());
    CheckPages(**dump);
  }
}

TEST_F(HmemSource, CutPageIsTruncatedNotMissing) {
  auto bytes = makers::HmemBytes(machine_);
  FrameSpan last = FirstOf(bytes, FrameType::kPages, 1);
  auto dump = OpenBytes(std::span(bytes).first(last.offset + 100));
  ASSERT_TRUE(dump);
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x1001000), out).error().code(), ErrorCode::kTruncated);
  EXPECT_EQ((*dump)->FateOf(Pfn(0x1001)), PageFate::kNotReached);
}

TEST_F(HmemSource, AFlippedByteOfAPayloadIsNamed) {
  auto bytes = makers::HmemBytes(machine_);
  FrameSpan pages = FirstOf(bytes, FrameType::kPages);
  bytes[pages.offset + 64 + pages.header.stored_bytes / 2] ^= std::byte{0x10};
  auto dump = OpenBytes(bytes);
  ASSERT_TRUE(dump);
  Findings findings;
  ASSERT_TRUE((*dump)->Verify(findings));
  EXPECT_TRUE(Has(findings, "hmem.payload-digest")) << IdsOf(findings);
  EXPECT_TRUE(Has(findings, "hmem.chunk-digest")) << IdsOf(findings);
  EXPECT_TRUE(Has(findings, "hmem.not-reached"));
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x101000), out).error().code(), ErrorCode::kCorrupt);
}

TEST_F(HmemSource, ADamagedFrameHeaderCostsThatFrameOnly) {
  auto bytes = makers::HmemBytes(machine_);
  FrameSpan pages = FirstOf(bytes, FrameType::kPages);
  bytes.resize(FirstOf(bytes, FrameType::kEnd).offset);  // headers must be followed
  bytes[pages.offset + 20] ^= std::byte{1};
  auto dump = OpenBytes(bytes);
  ASSERT_TRUE(dump);
  EXPECT_FALSE((*dump)->complete());
  EXPECT_TRUE(Has((*dump)->findings(), "hmem.damage")) << IdsOf((*dump)->findings());
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x101000), out).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ((*dump)->FateOf(Pfn(0x101)), PageFate::kDamaged);
  uint64_t lost = pages.header.raw_bytes / 4096;
  EXPECT_EQ(CheckPages(**dump), PagesOfMachine() - lost);
}

TEST_F(HmemSource, ABrokenChunkIsFoundAndFramesAreFollowed) {
  auto bytes = makers::HmemBytes(machine_);
  FrameSpan chunk = FirstOf(bytes, FrameType::kChunk);
  bytes[chunk.offset + 64 + 100] ^= std::byte{1};
  auto dump = OpenBytes(bytes);
  ASSERT_TRUE(dump);
  EXPECT_FALSE((*dump)->complete());
  EXPECT_TRUE(Has((*dump)->findings(), "hmem.chunk-chain"));
  EXPECT_EQ(CheckPages(**dump), PagesOfMachine());
}

// Offsets that no file has: behind 2^63 pread(2) itself refuses them.
TEST_F(HmemSource, AnEndThatPointsNowhereIsFoundAndFramesAreFollowed) {
  auto bytes = makers::HmemBytes(machine_);
  FrameSpan at = FirstOf(bytes, FrameType::kEnd);
  v1::DumpEnd end;
  ASSERT_TRUE(end.ParseFromArray(&bytes[at.offset + format::kFrameHeaderBytes],
                                 static_cast<int>(at.header.stored_bytes)));
  for (uint64_t offset : {uint64_t{0}, uint64_t{1} << 40, uint64_t{1} << 63, ~uint64_t{0} - 63}) {
    end.set_last_chunk_offset(offset);
    auto dump = OpenBytes(makers::WithEnd(bytes, end));
    ASSERT_TRUE(dump) << offset << ": " << dump.error().ToString();
    EXPECT_TRUE(Has((*dump)->findings(), "hmem.chunk-chain")) << offset;
    EXPECT_EQ(CheckPages(**dump), PagesOfMachine());
  }
}

TEST_F(HmemSource, NotesInFrontOfAHoleAreKept) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  ASSERT_TRUE(
      writer.AppendHeader(capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")})));
  auto notes = format::SerializeNotes(machine_.notes(), machine_.endian());
  notes.resize(notes.size() - 100);
  ASSERT_TRUE(writer.AppendNotes(notes));
  v1::DumpEnd end;
  end.set_reason(v1::DumpEnd::REASON_COMPLETE);
  ASSERT_TRUE(writer.Finish(end));
  auto dump = OpenBytes(sink.bytes);
  ASSERT_TRUE(dump) << dump.error().ToString();
  ASSERT_EQ((*dump)->notes().size(), 1u);
  EXPECT_EQ((*dump)->notes()[0].desc, machine_.notes()[0].desc);
  EXPECT_TRUE(Has((*dump)->findings(), "hmem.notes-damaged"));
  EXPECT_FALSE((*dump)->complete());
}

TEST_F(HmemSource, AMissingStretchIsNamed) {
  auto bytes = makers::HmemBytes(machine_);
  FrameSpan pages = FirstOf(bytes, FrameType::kPages);
  std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(pages.offset), pages.header.total_bytes(),
              std::byte{0});
  auto dump = OpenBytes(bytes);
  ASSERT_TRUE(dump);
  Findings findings;
  ASSERT_TRUE((*dump)->Verify(findings));
  EXPECT_TRUE(Has(findings, "hmem.damage"));
  EXPECT_TRUE(Has(findings, "hmem.chunk-damaged"));
  EXPECT_TRUE(Has(findings, "hmem.not-reached")) << IdsOf(findings);
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x101000), out).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ((*dump)->FateOf(Pfn(0x101)), PageFate::kDamaged);
}

TEST_F(HmemSource, FatesComeInRunsThatAgreeWithEachPage) {
  machine_.memory.Fail({PhysAddr(0x104000), PhysAddr(0x106000)}, Error::FromErrno("memory", EIO));
  auto bytes = makers::HmemBytes(machine_);
  bytes[FirstOf(bytes, FrameType::kPages, 1).offset + 100] ^= std::byte{1};
  auto dump = OpenBytes(bytes);
  ASSERT_TRUE(dump);
  uint64_t runs = 0;
  constexpr uint64_t kEnd = 0x1200;
  for (uint64_t pfn = 0; pfn < kEnd; ++runs) {
    PageFateRun run = (*dump)->FateFrom(Pfn(pfn), kEnd - pfn);
    ASSERT_GE(run.pages, 1u);
    ASSERT_LE(run.pages, kEnd - pfn);
    for (uint64_t i = 0; i < run.pages; ++i)
      ASSERT_EQ((*dump)->FateOf(Pfn(pfn + i)), run.fate) << std::hex << pfn + i;
    pfn += run.pages;
  }
  EXPECT_LT(runs, 0x380u);  // there are more pages of RAM
}

TEST_F(HmemSource, AMapOfAllMemoryThereCanBeIsOneRun) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  v1::DumpHeader header = capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")});
  header.clear_ram();
  header.add_ram()->set_end(~uint64_t{0} - 4095);
  ASSERT_TRUE(writer.AppendHeader(header));
  ASSERT_TRUE(writer.Flush());
  auto dump = OpenBytes(sink.bytes);
  ASSERT_TRUE(dump) << dump.error().ToString();
  uint64_t pages = (*dump)->ram()[0].size() / 4096;
  PageFateRun run = (*dump)->FateFrom(Pfn(0), pages);
  EXPECT_EQ(run.fate, PageFate::kNotReached);
  EXPECT_EQ(run.pages, pages);
  EXPECT_EQ((*dump)->FateOf(Pfn(~uint64_t{0})), PageFate::kHole);
}

TEST_F(HmemSource, TellsEachFindingOnceWithItsCount) {
  for (PhysAddr bad : {PhysAddr(0x101000), PhysAddr(0x102000), PhysAddr(0x104000)})
    machine_.memory.Fail({bad, bad + 4096}, Error::FromErrno("memory", EIO));
  auto dump = OpenBytes(makers::HmemBytes(machine_));
  ASSERT_TRUE(dump);
  Findings findings;
  ASSERT_TRUE((*dump)->Verify(findings));
  for (const Findings& told : {(*dump)->findings(), findings}) {
    auto it = std::find_if(told.all().begin(), told.all().end(),
                           [](const Finding& f) { return f.id == "capture.unreadable"; });
    ASSERT_NE(it, told.all().end());
    EXPECT_EQ(it->count, 3u);
    EXPECT_EQ(it->places.size(), 3u);
  }
}

TEST_F(HmemSource, RejectsFramesOfAnotherDumpBehindACut) {
  auto older = makers::HmemBytes(machine_, {.dump_id = {std::byte{9}}, .keep_zero = true});
  auto newer = makers::HmemBytes(machine_);
  uint64_t cut = FirstOf(newer, FrameType::kPages).offset;
  std::copy_n(newer.begin(), cut, older.begin());
  auto dump = OpenBytes(older);
  ASSERT_TRUE(dump);
  EXPECT_FALSE((*dump)->complete());
  EXPECT_EQ((*dump)->identity().dump_id.substr(0, 6), "010203");
  EXPECT_TRUE(Has((*dump)->findings(), "hmem.cut"));
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x101000), out).error().code(), ErrorCode::kTruncated);
}

TEST_F(HmemSource, RejectsFramesOfALowerAttemptBehindACut) {
  auto first = makers::HmemBytes(machine_, {.attempt = 1});
  auto second = makers::HmemBytes(machine_, {.attempt = 2});
  ASSERT_EQ(first.size(), second.size());
  uint64_t cut = FirstOf(second, FrameType::kPages).offset;
  std::copy_n(second.begin(), cut, first.begin());
  first.resize(FirstOf(second, FrameType::kEnd).offset);
  auto dump = OpenBytes(first);
  ASSERT_TRUE(dump);
  EXPECT_FALSE((*dump)->complete());
  std::vector<std::byte> out(16);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x101000), out).error().code(), ErrorCode::kTruncated);
}

TEST_F(HmemSource, OpensWithGarbageBehindEnd) {
  auto bytes = makers::HmemBytes(machine_);
  std::mt19937_64 random(3);
  for (int i = 0; i < 1 << 20; ++i) bytes.push_back(static_cast<std::byte>(random()));
  auto dump = OpenBytes(bytes);
  ASSERT_TRUE(dump);
  EXPECT_TRUE((*dump)->complete()) << IdsOf((*dump)->findings());
  EXPECT_EQ(CheckPages(**dump), PagesOfMachine());
}

TEST_F(HmemSource, ManyFramesThatOverlapAreALimitNotAHang) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  ASSERT_TRUE(
      writer.AppendHeader(capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")})));
  std::vector<format::FateRun> one = {{.first = 0, .count = 1}};
  // All claim to speak of everything, and tell of their first page only.
  for (uint64_t i = 0; i < 2 * HmemPages::kMaxOverlap; ++i)
    ASSERT_TRUE(writer.AppendFate(0x100 + i, 0x10000000, one));
  // One reaches over many that do not.
  ASSERT_TRUE(writer.AppendFate(0x1000, 0x1000000, one));
  for (uint64_t i = 0; i < 2 * HmemPages::kMaxWalk; ++i)
    ASSERT_TRUE(writer.AppendFate(0x1001 + i, 1, one));
  v1::DumpEnd end;
  end.set_reason(v1::DumpEnd::REASON_COMPLETE);
  ASSERT_TRUE(writer.Finish(end));
  auto dump = OpenBytes(sink.bytes);
  ASSERT_TRUE(dump) << dump.error().ToString();
  std::vector<std::byte> out(16);
  EXPECT_TRUE((*dump)->Read(PhysAddr(0x100000), out));
  EXPECT_TRUE((*dump)->Read(PhysAddr(0x110000), out));  // still under few enough
  EXPECT_EQ((*dump)->Read(PhysAddr(0x2ff000), out).error().code(), ErrorCode::kLimit);
  EXPECT_EQ((*dump)->Read(PhysAddr(0x5000000), out).error().code(), ErrorCode::kLimit);
  EXPECT_EQ((*dump)->FateOf(Pfn(0x2ff)), PageFate::kDamaged);
}

TEST_F(HmemSource, RejectsAnotherFormatVersion) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  v1::DumpHeader header;
  header.set_format_version(2);
  ASSERT_TRUE(writer.AppendHeader(header));
  ASSERT_TRUE(writer.Flush());
  EXPECT_EQ(OpenBytes(sink.bytes).error().code(), ErrorCode::kUnsupported);
}

TEST_F(HmemSource, RejectsRamThatOverlaps) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  const codec::Codec* codec = *codec::FindCodec("none");
  v1::DumpHeader header = capture::MakeDumpHeader(machine_, {.codec = codec});
  *header.add_ram() = header.ram(0);
  ASSERT_TRUE(writer.AppendHeader(header));
  ASSERT_TRUE(writer.Flush());
  EXPECT_EQ(OpenBytes(sink.bytes).error().code(), ErrorCode::kCorrupt);
}

TEST_F(HmemSource, RejectsPageSizeThatIsNone) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {});
  v1::DumpHeader header = capture::MakeDumpHeader(machine_, {.codec = *codec::FindCodec("none")});
  header.set_page_bytes(5000);
  ASSERT_TRUE(writer.AppendHeader(header));
  ASSERT_TRUE(writer.Flush());
  EXPECT_EQ(OpenBytes(sink.bytes).error().code(), ErrorCode::kCorrupt);
}

TEST_F(HmemSource, RejectsADamagedHeaderFrame) {
  auto bytes = makers::HmemBytes(machine_);
  bytes[70] ^= std::byte{1};
  EXPECT_EQ(OpenBytes(bytes).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace hmem::source
