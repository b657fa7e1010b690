// SPDX-License-Identifier: GPL-2.0-or-later
// hmem.ko with core headers that lie.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "tests/device/core_headers.h"
#include "tests/device/module.h"
#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

// The module with the planted header of this name, gone again with this.
class Loaded {
 public:
  Loaded(Check& check, std::string_view name) {
    const std::vector<CoreHeader> headers = CoreHeaders();
    const auto header = std::ranges::find(headers, name, &CoreHeader::name);
    check.Require(header != headers.end(), "no such header");
    const auto address = CoreHeaderAddress(static_cast<size_t>(header - headers.begin()));
    check.Require(address.has_value(), "the old kernel planted no headers");
    // A test that died may have left it.
    UnloadHmem();
    result_ = LoadModule(kModulePath, fmt::format("elfcorehdr={:#x}", *address));
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() { UnloadHmem(); }

  int64_t result() const { return result_; }

 private:
  int64_t result_;
};

void Require(Check& check, const Loaded& loaded) {
  check.Require(loaded.result() == 0, fmt::format("loading: {}", ErrnoName(loaded.result())));
}

void Odd(Check& check) {
  const Loaded loaded(check, "odd");
  Require(check, loaded);
  {
    const OldMemory memory(check);
    std::string text;
    for (const PhysRange& range : memory.ram)
      text += ToText({range.start - kPlace, range.end - kPlace}) + " ";
    check.That(text == "0x123-0x2345 0x2400-0x5007 0x5007-0x9007 0x200000-0x300001 ",
               "the ranges are " + text);
    check.Equal("ranges and aliases", memory.regions.size(), 5);
    check.Equal("notes", memory.info.notes_bytes, 0);
  }
  TestEdgesOfRanges(check);
  TestReadsInHoles(check);
  TestSeekEdges(check);
  TestReadvHoles(check);
  TestWholeRangesMapped(check);
  TestMappedHoles(check);
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  // A page of which only parts are memory can be mapped; the parts are right.
  const Mapping shared(memory.fd.get(), kPlace + 0x2000, kPage);
  check.Returns("a page with two ranges in it", shared.error(), 0);
  if (shared.error() == 0) {
    ExpectBytes(check, "its first range", vmcore, PhysAddr(kPlace + 0x2000),
                shared.bytes().first(0x345));
    ExpectBytes(check, "its second range", vmcore, PhysAddr(kPlace + 0x2400),
                shared.bytes().subspan(0x400));
  }
}

// A range whose bytes were moved out of the way.
void Moved(Check& check) {
  const Loaded loaded(check, "moved");
  Require(check, loaded);
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  std::vector<std::byte> found(0x20000);
  check.Returns("reading what was moved", Pread(fd, found.data(), found.size(), kPlace), 0x10000);
  const std::span<const std::byte> bytes = found;
  ExpectBytes(check, "read, moved", vmcore, PhysAddr(kPlace + 0x100000), bytes.first(0x10000));
  const Mapping moved(fd, kPlace, 0x10000);
  check.Returns("mapping what was moved", moved.error(), 0);
  ExpectBytes(check, "mapped, moved", vmcore, PhysAddr(kPlace + 0x100000), moved.bytes());
  check.Returns("mapping what lies at another offset in its page",
                Mapping(fd, kPlace + 0x20000, kPage).error(), -EOPNOTSUPP);
  check.Refuses("mapping from one to the next", Mapping(fd, kPlace, 0x30000).error(),
                {ENXIO, EOPNOTSUPP});
  check.Returns("reading what was moved oddly", Pread(fd, found.data(), 0x10000, kPlace + 0x20000),
                0x10000);
  ExpectBytes(check, "moved oddly", vmcore, PhysAddr(kPlace + 0x180010), bytes.first(0x10000));
  check.Returns("reading in between", Pread(fd, found.data(), 1, kPlace + 0x10000), -ENXIO);
  // From there on into the next range, whose bytes are where they were.
  check.Returns("reading from one to the next", Pread(fd, found.data(), 0x10000, kPlace + 0x28000),
                0x10000);
  ExpectBytes(check, "the end of the one", vmcore, PhysAddr(kPlace + 0x188010),
              bytes.first(0x8000));
  ExpectBytes(check, "the start of the other", vmcore, PhysAddr(kPlace + 0x30000),
              bytes.subspan(0x8000, 0x8000));
}

// What no machine has is told of or not; touching it must not break anything.
void TouchAll(Check& check, std::string_view header) {
  const Loaded loaded(check, header);
  Require(check, loaded);
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  uint64_t end = 0;
  for (const PhysRange& range : memory.ram) {
    const std::string where = ToText(range);
    check.That(range.start < range.end && range.start.value >= end && range.end.value < INT64_MAX,
               where + ": no range");
    end = range.end.value;
    std::array<std::byte, 64> bytes = {};
    for (const uint64_t at :
         {range.start.value, range.start.value + range.size() / 2, range.end.value - 1}) {
      const int64_t got = Pread(memory.fd.get(), bytes.data(), bytes.size(), at);
      check.That(got > 0 || got == -EIO,
                 fmt::format("{}: read at {:#x}: {}", where, at, ErrnoName(got)));
      hmem_range one = {.phys = at, .bytes = 1};
      hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(&one),
                          .buffer = reinterpret_cast<uintptr_t>(bytes.data()),
                          .buffer_bytes = 1,
                          .count = 1};
      check.Returns(where + ": HMEM_READV", Ioctl(memory.fd.get(), HMEM_READV, &asked), 0);
      check.That(one.status == 0 || one.status == -EIO,
                 fmt::format("{}: status {}", where, ErrnoName(one.status)));
      const Mapping mapping(memory.fd.get(), at / kPage * kPage, kPage);
      if (mapping.error() == 0)
        check.Returns(where + ": a touch of its mapping", Touch(mapping.data()), 0);
    }
  }
  std::array<std::byte, 64> bytes = {};
  check.Returns("what is really there", Pread(memory.fd.get(), bytes.data(), bytes.size(), kPlace),
                64);
  ExpectBytes(check, "what is really there", vmcore, PhysAddr(kPlace), bytes);
}

void Impossible(Check& check) { TouchAll(check, "impossible"); }
void Giant(Check& check) { TouchAll(check, "giant"); }

std::vector<PhysRange> OwnMemory(Check& check) {
  FILE* iomem = std::fopen("/proc/iomem", "re");
  check.Require(iomem != nullptr, "no /proc/iomem");
  std::vector<PhysRange> own;
  std::array<char, 256> line = {};
  while (std::fgets(line.data(), line.size(), iomem) != nullptr) {
    uint64_t start = 0;
    uint64_t last = 0;
    if (std::strstr(line.data(), "System RAM") != nullptr &&
        std::sscanf(line.data(), "%lx-%lx", &start, &last) == 2 && start >= kAllStart &&
        last < kAllEnd)
      own.push_back({PhysAddr(start), PhysAddr(last + 1)});
  }
  std::fclose(iomem);
  check.Require(!own.empty(), "/proc/iomem names no memory of this kernel");
  return own;
}

// A header that claims this kernel's own memory makes none of it readable, and costs no other.
void OwnMemoryAsOld(Check& check) {
  const Loaded loaded(check, "all");
  Require(check, loaded);
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  std::vector<std::byte> bytes(kMiB);
  for (const PhysRange& range : OwnMemory(check)) {
    const PhysAddr first((range.start.value + kPage - 1) / kPage * kPage);
    const PhysAddr last(range.end.value / kPage * kPage - kPage);
    for (const PhysAddr at :
         {range.start, first, PhysAddr((first.value + last.value) / 2), last, range.end - 1}) {
      check.Returns(fmt::format("reading this kernel's {:#x}", at.value),
                    Pread(fd, bytes.data(), 100, at.value), -EIO);
      hmem_range one = {.phys = at.value, .bytes = 100};
      hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(&one),
                          .buffer = reinterpret_cast<uintptr_t>(bytes.data()),
                          .buffer_bytes = 100,
                          .count = 1};
      check.Returns("asking for it", Ioctl(fd, HMEM_READV, &asked), 0);
      check.Returns("its status", one.status, -EIO);
      check.Equal("its bytes", one.done, 0);
      check.Returns("mapping it", Mapping(fd, at.value / kPage * kPage, kPage).error(), -EIO);
    }
    check.Returns("mapping into it", Mapping(fd, first.value - 4 * kPage, 8 * kPage).error(), -EIO);
    const int64_t got = Pread(fd, bytes.data(), bytes.size(), range.start.value - 5000);
    check.That(
        got == -EIO || (got > 0 && got <= 5000),
        fmt::format("reading towards this kernel's {:#x}: {}", range.start.value, ErrnoName(got)));
  }
  check.Returns("what is old", Pread(fd, bytes.data(), bytes.size(), kPlace), kMiB);
  ExpectBytes(check, "what is old", vmcore, PhysAddr(kPlace), bytes);
}

void Notes(Check& check) {
  const Loaded loaded(check, "notes");
  Require(check, loaded);
  const OldMemory memory(check);
  check.That(memory.info.notes_bytes <= 64 * kMiB, "far too many notes");
  std::vector<std::byte> notes(memory.info.notes_bytes + 1);
  hmem_notes asked = {.buffer = reinterpret_cast<uintptr_t>(notes.data()),
                      .bytes = static_cast<uint32_t>(notes.size())};
  check.Returns("HMEM_NOTES", Ioctl(memory.fd.get(), HMEM_NOTES, &asked), 0);
  check.Equal("bytes of notes", asked.bytes, memory.info.notes_bytes);
}

void Garbage(Check& check) {
  const Loaded loaded(check, "garbage");
  if (loaded.result() != 0) return;
  const OldMemory memory(check);
  std::byte byte{};
  check.Returns("the range that is real", Pread(memory.fd.get(), &byte, 1, kPlace), 1);
}

void Refused(Check& check) {
  for (const CoreHeader& header : CoreHeaders()) {
    if (!header.refused) continue;
    const Loaded loaded(check, header.name);
    check.That(loaded.result() < 0, fmt::format("loaded with the header \"{}\"", header.name));
    check.That(::access(kDevice, F_OK) != 0,
               fmt::format("a device by the header \"{}\"", header.name));
  }
}

}  // namespace

std::span<const TestCase> HostileHeaderTests() {
  static constexpr TestCase kTests[] = {
      {"header.odd", Odd},
      {"header.moved", Moved},
      {"header.impossible", Impossible},
      {"header.giant", Giant},
      {"header.own-memory-as-old", OwnMemoryAsOld},
      {"header.notes", Notes},
      {"header.garbage", Garbage},
      {"header.refused", Refused},
  };
  return kTests;
}

}  // namespace hmem::device_test
