// SPDX-License-Identifier: GPL-2.0-or-later
// Writes the seeds of the source, note, codec and capture fuzzers: make_corpus tests/fuzz/corpus
#include <elf.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "hmem/codec/codec.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/flattened_maker.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/kdump_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/small_kernel.h"

namespace hmem::makers {
namespace {

using format::KdumpLayout;

class Corpus {
 public:
  explicit Corpus(std::filesystem::path root) : root_(std::move(root)) {}

  void Add(const std::string& fuzzer, const std::string& name, std::span<const std::byte> bytes) {
    std::filesystem::create_directories(root_ / fuzzer);
    std::ofstream out(root_ / fuzzer / name, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    out.close();
    ok_ = ok_ && out.good();
  }
  bool ok() const { return ok_; }

 private:
  std::filesystem::path root_;
  bool ok_ = true;
};

std::vector<std::byte> Cut(std::vector<std::byte> bytes, size_t size) {
  bytes.resize(size);
  return bytes;
}

ElfMaker SmallElf(Endian endian, int word_bytes) {
  ElfMaker maker(endian, word_bytes, word_bytes == 8 ? EM_X86_64 : EM_PPC);
  maker.AddNote("CORE", NT_PRSTATUS, Pattern(9, 64))
      .Vmcoreinfo("OSRELEASE=6.1.0\nPAGESIZE=4096\n")
      .Load(PhysAddr(0x1000), Pattern(1, 256), VirtAddr(0xc0001000), 8192)
      .Load(PhysAddr(0x1080), Pattern(2, 64), VirtAddr(0xc0100000));
  return maker;
}

KdumpMaker SmallKdump(Endian endian, KdumpLayout layout, std::string_view machine) {
  KdumpMaker maker(endian, layout, machine);
  maker.AddNote("CORE", NT_PRSTATUS, Pattern(9, 64))
      .Vmcoreinfo("PAGESIZE=4096\n")
      .Page(Pfn(1), std::vector<std::byte>(4096, std::byte{1}), "zlib")
      .Page(Pfn(2), std::vector<std::byte>(4096, std::byte{2}), "lzo")
      .Page(Pfn(3), std::vector<std::byte>(4096, std::byte{3}), "zstd")
      .Excluded(Pfn(5))
      .ZeroPage(Pfn(9));
  return maker;
}

void AddElf(Corpus& corpus) {
  corpus.Add("elf_source_fuzzer", "elf64_little", SmallElf(Endian::kLittle, 8).Make());
  corpus.Add("elf_source_fuzzer", "elf32_big", SmallElf(Endian::kBig, 4).Make());
  corpus.Add("elf_source_fuzzer", "headers_elsewhere",
             SmallElf(Endian::kLittle, 8).HeadersAt(192).Make());
  std::vector<std::byte> whole = SmallElf(Endian::kLittle, 8).Make();
  corpus.Add("elf_source_fuzzer", "cut_in_data", Cut(whole, whole.size() - 100));
  corpus.Add("elf_source_fuzzer", "cut_in_notes", Cut(whole, 4096 + 40));
  corpus.Add("elf_source_fuzzer", "cut_in_headers", Cut(whole, 100));
}

void AddKdump(Corpus& corpus) {
  corpus.Add("kdump_source_fuzzer", "k64_little",
             SmallKdump(Endian::kLittle, KdumpLayout::k64, "x86_64").Make());
  corpus.Add("kdump_source_fuzzer", "k32_padded_big",
             SmallKdump(Endian::kBig, KdumpLayout::k32Padded, "ppc").Make());
  corpus.Add("kdump_source_fuzzer", "k32_packed",
             SmallKdump(Endian::kLittle, KdumpLayout::k32Packed, "i686").Make());
  KdumpMaker maker = SmallKdump(Endian::kLittle, KdumpLayout::k64, "x86_64");
  std::vector<std::byte> whole = maker.Make();
  corpus.Add("kdump_source_fuzzer", "cut_in_bitmaps", Cut(whole, maker.bitmap_offset() + 1));
  corpus.Add("kdump_source_fuzzer", "cut_in_descriptors",
             Cut(whole, maker.descriptors_offset() + 50));
  corpus.Add("kdump_source_fuzzer", "incomplete",
             maker.Status(8).Missing(Pfn(10)).Version(4).Make());
}

void AddFlattened(Corpus& corpus) {
  std::vector<std::byte> kdump = SmallKdump(Endian::kLittle, KdumpLayout::k64, "x86_64").Make();
  std::vector<std::byte> elf = SmallElf(Endian::kBig, 4).Make();
  std::vector<std::byte> whole = FlattenedMaker().Whole(kdump, 4096).Make();
  corpus.Add("flattened_fuzzer", "kdump", whole);
  corpus.Add("flattened_fuzzer", "elf", FlattenedMaker().Whole(elf, 1000).Make());
  corpus.Add("flattened_fuzzer", "cut", Cut(whole, whole.size() - 5000));
  // The header is written twice, and one record lies over two others.
  corpus.Add("flattened_fuzzer", "overlapping",
             FlattenedMaker()
                 .Whole(kdump, 3000)
                 .Record(0, std::span(kdump).first(464))
                 .Record(2000, std::span(kdump).subspan(2000, 3000))
                 .Make());
  corpus.Add("flattened_fuzzer", "huge_record",
             FlattenedMaker()
                 .Whole(kdump, 8192)
                 .Head({.offset = uint64_t{1} << 60, .bytes = uint64_t{1} << 40})
                 .bytes());
}

fakes::FakeSource SmallMachine() {
  fakes::FakeSource machine;
  machine.AddVmcoreinfo("OSRELEASE=6.1.0\nPAGESIZE=4096\n");
  machine.memory.AddZero({PhysAddr(0x100000), PhysAddr(0x118000)});
  for (uint64_t page = 1; page < 24; page += 2) {
    PhysAddr addr(0x100000 + page * 4096);
    machine.memory.Write(addr, std::vector<std::byte>(4096, static_cast<std::byte>(page)));
  }
  machine.memory.Fail({PhysAddr(0x104000), PhysAddr(0x105000)}, Error::FromErrno("memory", EIO));
  return machine;
}

// A stream that is not what a capture writes: HEADER, and what `fill` appends.
template <typename Fill>
std::vector<std::byte> Stream(Fill fill) {
  fakes::FakeSink sink;
  capture::HmemWriter writer(sink, {.dump_id = {std::byte{1}}});
  fakes::FakeSource machine = SmallMachine();
  auto header = capture::MakeDumpHeader(machine, {.codec = *codec::FindCodec("none")});
  v1::DumpEnd end;
  end.set_reason(v1::DumpEnd::REASON_COMPLETE);
  if (!writer.AppendHeader(header) || !fill(writer) || !writer.Finish(end)) std::abort();
  return sink.bytes;
}

void AddHmem(Corpus& corpus) {
  const std::string fuzzer = "hmem_source_fuzzer";
  std::vector<std::byte> whole = HmemBytes(SmallMachine());
  corpus.Add(fuzzer, "whole", whole);
  auto frames = FramesOf(whole);
  auto last = [&](format::FrameType type) {
    FrameSpan found;
    for (const FrameSpan& frame : frames) {
      if (frame.header.type == type) found = frame;
    }
    return found;
  };
  corpus.Add(fuzzer, "no_end", Cut(whole, last(format::FrameType::kEnd).offset));
  corpus.Add(fuzzer, "cut", Cut(whole, last(format::FrameType::kPages).offset + 100));
  // Without its last CHUNK, everything behind lies elsewhere than END says.
  std::vector<std::byte> shifted = whole;
  FrameSpan chunk = last(format::FrameType::kChunk);
  auto at = shifted.begin() + static_cast<ptrdiff_t>(chunk.offset);
  shifted.erase(at, at + static_cast<ptrdiff_t>(chunk.header.total_bytes()));
  corpus.Add(fuzzer, "shifted", shifted);
  const std::vector<format::FateRun> one = {{.first = 0, .count = 1}};
  corpus.Add(fuzzer, "overlap", Stream([&](capture::HmemWriter& writer) {
               for (uint64_t i = 0; i < 70; ++i) {
                 if (!writer.AppendFate(0x100 + i % 4, 0x7fffffff, one)) return false;
               }
               return true;
             }));
  // Every other frame header is damaged.
  std::vector<std::byte> alternating = Stream([&](capture::HmemWriter& writer) {
    for (uint64_t i = 0; i < 30; ++i) {
      if (!writer.AppendFate(0x100 + i, 1, one)) return false;
    }
    return true;
  });
  auto rows = FramesOf(alternating);
  for (size_t i = 2; i < rows.size(); i += 2) alternating[rows[i].offset] = std::byte{0};
  corpus.Add(fuzzer, "alternating", alternating);

  // As the fuzzer of frames reads it: which, page size, raw bytes, page count, first pfn, payload.
  for (const FrameSpan& frame : frames) {
    size_t which = frame.header.type == format::FrameType::kPages   ? 0
                   : frame.header.type == format::FrameType::kFate  ? 1
                   : frame.header.type == format::FrameType::kChunk ? 2
                                                                    : 3;
    if (which == 3) continue;
    std::vector<std::byte> seed(18);
    seed[0] = static_cast<std::byte>(which);
    seed[1] = std::byte{12};
    Store(&seed[2], frame.header.raw_bytes, Endian::kLittle);
    Store(&seed[6], frame.header.page_count, Endian::kLittle);
    Store(&seed[10], frame.header.first_pfn, Endian::kLittle);
    auto payload = std::span(whole).subspan(frame.offset + format::kFrameHeaderBytes,
                                            frame.header.stored_bytes);
    seed.insert(seed.end(), payload.begin(), payload.end());
    constexpr const char* kNames[] = {"pages", "fate", "chunk"};
    corpus.Add("hmem_frame_fuzzer", kNames[which], seed);
    corpus.Add("hmem_frame_fuzzer", std::string(kNames[which]) + "_cut",
               Cut(seed, seed.size() - 3));
  }
}

void AddNotes(Corpus& corpus) {
  std::vector<format::Note> notes = {
      {.name = "CORE", .type = NT_PRSTATUS, .desc = Pattern(1, 33)},
      {.name = "VMCOREINFO", .type = 0, .desc = Bytes("PAGESIZE=4096\n")},
      {.name = "", .type = 7, .desc = {}}};
  std::vector<std::byte> little = format::SerializeNotes(notes, Endian::kLittle);
  corpus.Add("elf_notes_fuzzer", "little", little);
  corpus.Add("elf_notes_fuzzer", "big", format::SerializeNotes(notes, Endian::kBig));
  corpus.Add("elf_notes_fuzzer", "cut", Cut(little, 40));
  corpus.Add("elf_notes_fuzzer", "ended_by_zeros", Cut(little, little.size() + 20));
}

void AddCodecs(Corpus& corpus) {
  auto codecs = codec::AllCodecs();
  for (size_t i = 0; i < codecs.size(); ++i) {
    std::vector<std::byte> raw = Pattern(i, 512);
    std::vector<std::byte> packed(codecs[i]->bound(raw.size()));
    auto n = codecs[i]->pack(raw, packed, 1);
    if (!n) std::abort();
    packed.resize(*n);
    // As the fuzzer reads it: codec, size unpacked to in two bytes, packed bytes.
    packed.insert(packed.begin(), {static_cast<std::byte>(i), std::byte{0}, std::byte{2}});
    corpus.Add("codec_fuzzer", std::string(codecs[i]->name), packed);
  }
}

// As the fuzzer of captures reads it.
class CaptureSeed {
 public:
  explicit CaptureSeed(uint8_t options, std::string_view vmcoreinfo = {}) {
    Number(options, 1);
    Number(vmcoreinfo.size(), 2);
    for (char c : vmcoreinfo) bytes.push_back(static_cast<std::byte>(c));
  }
  // A word of a struct page.
  CaptureSeed& StructPage(Pfn pfn, uint64_t offset, uint64_t word) {
    return Word(0, pfn.value * MemMapMaker::kStructPageBytes + offset, word);
  }
  // A word that lies in one of SmallKernel::kSpots.
  CaptureSeed& At(PhysAddr at, uint64_t word) {
    for (size_t i = 0; i < SmallKernel::kSpots.size(); ++i) {
      const PhysRange& spot = SmallKernel::kSpots[i];
      if (spot.contains(at)) return Word(2 * i + 1, at - spot.start, word);
    }
    std::abort();
  }

  std::vector<std::byte> bytes;

 private:
  void Number(uint64_t value, size_t count) {
    for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
  CaptureSeed& Word(uint64_t which, uint64_t offset, uint64_t word) {
    Number(which, 1);
    Number(offset, 3);
    Number(8, 1);
    Number(word, 8);
    return *this;
  }
};

void AddCaptures(Corpus& corpus) {
  constexpr uint8_t kByValue = 1, kWithTask = 2, kAll = 4;
  const std::string fuzzer = "capture_fuzzer";
  auto add = [&](const std::string& name, const CaptureSeed& seed) {
    corpus.Add(fuzzer, name, seed.bytes);
  };
  const Pfn huge = SmallKernel::kHuge.start;
  const std::string text = SmallKernel().vmcoreinfo;
  add("unbroken", CaptureSeed(kByValue | kWithTask));
  add("unbroken_all", CaptureSeed(kAll));
  add("no_vmcoreinfo", CaptureSeed(kByValue, "\n"));
  add("cut_vmcoreinfo", CaptureSeed(kByValue, std::string_view(text).substr(0, text.size() / 2)));
  add("whole_vmcoreinfo", CaptureSeed(kByValue | kWithTask, text));
  add("own_head",
      CaptureSeed(0).StructPage(huge + 5, 8, SmallKernel::StructPage(huge + 5).value | 1));
  add("order", CaptureSeed(0).StructPage(SmallKernel::kFree.start, 40, uint64_t{1} << 60));
  add("section",
      CaptureSeed(0).At(SmallKernel::PhysOf(MemMapMaker::kSections), uint64_t{1} << 63 | 0xf));
  add("root", CaptureSeed(0).At(SmallKernel::PhysOf(MemMapMaker::kRoots), 0xdead000000000000));
  add("tables",
      CaptureSeed(kByValue).At(SmallKernel::kTables + 300 * 8, SmallKernel::kTables.value | 0x67));
  add("user_tables", CaptureSeed(kWithTask).At(SmallKernel::kUserTables + 8,
                                               SmallKernel::kUserTables.value | 0x67));
  const VirtAddr first = SmallKernel::kTask + SmallKernel::kTasksOffset;
  add("task_list", CaptureSeed(kByValue | kWithTask).At(SmallKernel::PhysOf(first), first.value));
}

}  // namespace
}  // namespace hmem::makers

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus DIRECTORY\n");
    return 2;
  }
  hmem::makers::Corpus corpus(argv[1]);
  hmem::makers::AddElf(corpus);
  hmem::makers::AddKdump(corpus);
  hmem::makers::AddFlattened(corpus);
  hmem::makers::AddHmem(corpus);
  hmem::makers::AddNotes(corpus);
  hmem::makers::AddCodecs(corpus);
  hmem::makers::AddCaptures(corpus);
  if (!corpus.ok()) {
    std::fprintf(stderr, "make_corpus: %s: cannot write\n", argv[1]);
    return 1;
  }
  return 0;
}
