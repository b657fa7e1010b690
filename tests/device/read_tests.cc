// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/device/bad_pointers.h"
#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

constexpr std::byte kUntouched{0xa5};

}  // namespace

void TestEdgesOfRanges(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  std::vector<std::byte> buffer(4 * kPage);
  for (size_t i = 0; i < memory.ram.size(); ++i) {
    const PhysRange range = memory.ram[i];
    const bool touches = i + 1 < memory.ram.size() && memory.ram[i + 1].start == range.end;
    const auto read = [&](std::string_view what, PhysAddr at, size_t bytes, size_t expected) {
      std::ranges::fill(buffer, kUntouched);
      const std::string where = fmt::format("{} of {}", what, ToText(range));
      check.Returns(where, Pread(fd, buffer.data(), bytes, at.value),
                    static_cast<int64_t>(expected));
      ExpectBytes(check, where, vmcore, at, std::span(buffer).first(expected));
      check.That(std::all_of(buffer.begin() + static_cast<ptrdiff_t>(expected), buffer.end(),
                             [](std::byte byte) { return byte == kUntouched; }),
                 where + ": bytes behind the count were written");
    };
    read("first byte", range.start, 1, 1);
    read("first bytes", range.start, 100, 100);
    read("last byte", range.end - 1, 1, 1);
    read("last bytes", range.end - 100, 100, 100);
    if (!touches) {
      read("one byte more than is left", range.end - 100, 101, 100);
      read("pages more than are left", range.end - 1, buffer.size(), 1);
      read("all the rest and more", range.end - kPage, buffer.size(), kPage);
    }
  }
}

void TestReadsInHoles(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  std::byte byte = kUntouched;
  const auto refuse = [&](PhysAddr at) {
    check.Returns(fmt::format("in a hole, at {:#x}", at.value), Pread(fd, &byte, 1, at.value),
                  -ENXIO);
  };
  for (const PhysRange& hole : memory.Holes()) {
    refuse(hole.start);
    refuse(hole.end - 1);
    refuse(PhysAddr(hole.start.value + hole.size() / 2));
    check.Returns("a read over a whole hole", Pread(fd, &byte, hole.size() + 1, hole.start.value),
                  -ENXIO);
  }
  for (const uint64_t at :
       {memory.End().value, memory.End().value + kPage, uint64_t{1} << 52, uint64_t{INT64_MAX} - 1})
    check.Returns(fmt::format("behind the end, at {:#x}", at), Pread(fd, &byte, 1, at), 0);
  // Refused by the kernel for every file.
  for (const uint64_t at : {uint64_t{1} << 63, ~uint64_t{0}})
    check.Returns(fmt::format("a negative offset {:#x}", at), Pread(fd, &byte, 1, at), -EINVAL);
  check.Refuses("an offset that overflows", Pread(fd, &byte, 2, INT64_MAX), {EINVAL, EOVERFLOW});
  check.Returns("nothing, in memory", Pread(fd, &byte, 0, memory.Big().start.value), 0);
  check.Returns("nothing, behind the end", Pread(fd, &byte, 0, memory.End().value), 0);
  check.That(byte == kUntouched, "something was written");
}

namespace {

void Position(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  const PhysRange range = memory.BeforeHole();
  std::array<std::byte, 200> buffer = {};
  check.Returns("to the end of a range", Seek(fd, range.end.value - 300, SEEK_SET),
                static_cast<int64_t>(range.end.value - 300));
  for (const int64_t expected : {200, 100}) {
    const int64_t at = Seek(fd, 0, SEEK_CUR);
    check.Returns("a read", ErrnoOr(::read(fd, buffer.data(), buffer.size())), expected);
    ExpectBytes(check, "a read", vmcore, PhysAddr(static_cast<uint64_t>(at)),
                std::span(buffer).first(static_cast<size_t>(expected)));
    check.Returns("where it leaves", Seek(fd, 0, SEEK_CUR), at + expected);
  }
  if (memory.ram.back() != range) {
    check.Returns("at the hole", ErrnoOr(::read(fd, buffer.data(), buffer.size())), -ENXIO);
    check.Returns("where it leaves", Seek(fd, 0, SEEK_CUR), static_cast<int64_t>(range.end.value));
  }
  check.Returns("pread", Pread(fd, buffer.data(), 8, range.start.value), 8);
  check.Returns("where pread leaves", Seek(fd, 0, SEEK_CUR), static_cast<int64_t>(range.end.value));
}

}  // namespace

void TestSeekEdges(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  const PhysRange range = memory.BeforeHole();
  const auto end = static_cast<int64_t>(memory.End().value);
  check.Returns("SEEK_END", Seek(fd, 0, SEEK_END), end);
  check.Returns("SEEK_END backwards", Seek(fd, static_cast<uint64_t>(-end), SEEK_END), 0);
  check.Returns("SEEK_END to in front of the start",
                Seek(fd, static_cast<uint64_t>(-end - 1), SEEK_END), -EINVAL);
  check.Returns("which moved nothing", Seek(fd, 0, SEEK_CUR), 0);
  check.Returns("SEEK_SET", Seek(fd, range.start.value, SEEK_SET),
                static_cast<int64_t>(range.start.value));
  check.Returns("SEEK_CUR", Seek(fd, 5, SEEK_CUR), static_cast<int64_t>(range.start.value) + 5);
  check.Returns("SEEK_SET -1", Seek(fd, ~uint64_t{0}, SEEK_SET), -EINVAL);
  check.Returns("SEEK_SET INT64_MIN", Seek(fd, uint64_t{1} << 63, SEEK_SET), -EINVAL);
  check.Refuses("SEEK_CUR beyond 2^63", Seek(fd, INT64_MAX, SEEK_CUR), {EINVAL, EOVERFLOW});
  check.Refuses("SEEK_END beyond 2^63", Seek(fd, INT64_MAX, SEEK_END), {EINVAL, EOVERFLOW});
  check.Returns("which moved nothing", Seek(fd, 0, SEEK_CUR),
                static_cast<int64_t>(range.start.value) + 5);
  for (const int whence : {5, 100, -1})
    check.Returns(fmt::format("whence {}", whence), Seek(fd, 0, whence), -EINVAL);
  for (const int whence : {SEEK_DATA, SEEK_HOLE}) {
    for (const uint64_t at :
         {memory.End().value, uint64_t{INT64_MAX}, uint64_t{1} << 63, ~uint64_t{0}})
      check.Returns(fmt::format("whence {} at {:#x}", whence, at), Seek(fd, at, whence), -ENXIO);
  }
  check.Returns("which moved nothing", Seek(fd, 0, SEEK_CUR),
                static_cast<int64_t>(range.start.value) + 5);
  for (const PhysRange& hole : memory.Holes()) {
    for (const PhysAddr at : {hole.start, hole.end - 1}) {
      check.Returns("SEEK_DATA in a hole", Seek(fd, at.value, SEEK_DATA),
                    static_cast<int64_t>(hole.end.value));
      check.Returns("SEEK_HOLE in a hole", Seek(fd, at.value, SEEK_HOLE),
                    static_cast<int64_t>(at.value));
    }
  }
  check.Returns("SEEK_DATA in memory", Seek(fd, range.end.value - 1, SEEK_DATA),
                static_cast<int64_t>(range.end.value) - 1);
}

namespace {

std::vector<PhysRange> Joined(std::vector<PhysRange> ranges) {
  std::ranges::sort(ranges, {}, [](const PhysRange& range) { return range.start; });
  std::vector<PhysRange> joined;
  for (const PhysRange& range : ranges) {
    if (!joined.empty() && range.start <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, range.end);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

std::string ToText(std::span<const PhysRange> ranges) {
  std::string text;
  for (const PhysRange& range : ranges) text += device_test::ToText(range) + " ";
  return text;
}

// SEEK_DATA and SEEK_HOLE, HMEM_REGIONS and /proc/vmcore tell of the same memory.
void MapOfMemory(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  std::vector<PhysRange> walked;
  int64_t at = 0;
  while ((at = Seek(memory.fd.get(), static_cast<uint64_t>(at), SEEK_DATA)) >= 0) {
    const int64_t end = Seek(memory.fd.get(), static_cast<uint64_t>(at), SEEK_HOLE);
    check.Require(end > at, fmt::format("SEEK_HOLE at {:#x}: {}", at, ErrnoName(end)));
    walked.push_back({PhysAddr(static_cast<uint64_t>(at)), PhysAddr(static_cast<uint64_t>(end))});
    at = end;
  }
  check.Returns("the end of the walk", at, -ENXIO);
  std::vector<PhysRange> loads;
  for (const Vmcore::Segment& segment : vmcore.loads()) loads.push_back(segment.range);
  const std::vector<PhysRange> told = Joined(memory.ram);
  check.That(walked == told,
             fmt::format("SEEK_DATA walks {}, HMEM_REGIONS has {}", ToText(walked), ToText(told)));
  check.That(Joined(loads) == told, fmt::format("/proc/vmcore has {}, HMEM_REGIONS {}",
                                                ToText(Joined(loads)), ToText(told)));
  for (const hmem_region& region : memory.regions) {
    check.That(std::ranges::any_of(vmcore.loads(),
                                   [&](const Vmcore::Segment& segment) {
                                     return segment.virt == region.virt &&
                                            segment.range.start.value == region.start &&
                                            segment.range.size() == region.bytes;
                                   }),
               fmt::format("/proc/vmcore has no segment {:#x}, {:#x} bytes, at {:#x}", region.start,
                           region.bytes, region.virt));
  }
}

void Buffers(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  const PhysAddr at = memory.Middle(kMiB).start + 123;
  ExpectFaults(check, 1, [&](void* to) { return Pread(fd, to, 1, at.value); });
  // What there is room for is delivered, whichever page the room ends in.
  for (const size_t room_bytes : {size_t{1}, size_t{100}, size_t{kPage}, size_t{2 * kPage + 7}}) {
    const Guarded room(room_bytes);
    const int64_t got = Pread(fd, room.Last(room_bytes), room_bytes + kPage, at.value);
    check.That(got > 0 && got <= static_cast<int64_t>(room_bytes),
               fmt::format("room for {} bytes: {}", room_bytes, ErrnoName(got)));
    if (got > 0)
      ExpectBytes(check, "a short buffer", vmcore, at,
                  {room.Last(room_bytes), static_cast<size_t>(got)});
  }
  std::array<std::byte, 600> bytes = {};
  const std::array<iovec, 4> parts = {iovec{bytes.data(), 1}, iovec{nullptr, 0},
                                      iovec{bytes.data() + 1, 99}, iovec{bytes.data() + 100, 500}};
  check.Returns("a scattered read",
                ErrnoOr(::preadv(fd, parts.data(), parts.size(), static_cast<off_t>(at.value))),
                600);
  ExpectBytes(check, "a scattered read", vmcore, at, bytes);
  const PhysAddr edge = memory.BeforeHole().end - 150;
  check.Returns("a scattered read to a hole",
                ErrnoOr(::preadv(fd, parts.data(), parts.size(), static_cast<off_t>(edge.value))),
                150);
  ExpectBytes(check, "a scattered read to a hole", vmcore, edge, std::span(bytes).first(150));
}

// Calls that devices may leave out: refused, or the right bytes.
void OtherWays(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  const PhysAddr at = memory.Middle(kMiB).start;
  std::array<int, 2> ends = {};
  check.Require(::pipe2(ends.data(), O_CLOEXEC) == 0, "no pipe");
  auto offset = static_cast<off_t>(at.value);
  std::array<std::byte, 4096> bytes = {};
  const int64_t spliced = ErrnoOr(::splice(fd, &offset, ends[1], nullptr, bytes.size(), 0));
  if (spliced > 0) {
    check.Returns("out of the pipe", ErrnoOr(::read(ends[0], bytes.data(), bytes.size())), spliced);
    ExpectBytes(check, "splice", vmcore, at, std::span(bytes).first(static_cast<size_t>(spliced)));
  } else {
    check.Refuses("splice", spliced, {EINVAL, EOPNOTSUPP});
  }
  const iovec part = {bytes.data(), bytes.size()};
  const int64_t at_once =
      ErrnoOr(::preadv2(fd, &part, 1, static_cast<off_t>(at.value), RWF_NOWAIT));
  if (at_once > 0) {
    ExpectBytes(check, "RWF_NOWAIT", vmcore, at,
                std::span(bytes).first(static_cast<size_t>(at_once)));
  } else {
    check.Refuses("RWF_NOWAIT", at_once, {EOPNOTSUPP, EAGAIN});
  }
}

}  // namespace

std::span<const TestCase> ReadTests() {
  static constexpr TestCase kTests[] = {
      {"read.edges-of-ranges", TestEdgesOfRanges},
      {"read.in-holes", TestReadsInHoles},
      {"read.position", Position},
      {"read.buffers", Buffers},
      {"read.other-ways", OtherWays},
      {"seek.edges", TestSeekEdges},
      {"seek.map-of-memory", MapOfMemory},
  };
  return kTests;
}

}  // namespace hmem::device_test
