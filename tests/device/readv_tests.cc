// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "tests/device/bad_pointers.h"
#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

constexpr std::byte kUntouched{0xa5};

bool IsUntouched(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == kUntouched; });
}

int64_t Readv(int fd, std::span<hmem_range> ranges, std::span<std::byte> buffer) {
  hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(ranges.data()),
                      .buffer = reinterpret_cast<uintptr_t>(buffer.data()),
                      .buffer_bytes = buffer.size(),
                      .count = static_cast<uint32_t>(ranges.size())};
  return Ioctl(fd, HMEM_READV, &asked);
}

hmem_range RangeOf(PhysAddr at, uint64_t bytes) {
  return {.phys = at.value, .bytes = static_cast<uint32_t>(bytes)};
}

// Sizes and addresses of every alignment, into a buffer at an odd address.
void ReadsOddPieces(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange middle =
      memory.Middle(std::min<uint64_t>(memory.Big().size() / 2, 64 * kMiB) / kPage * kPage);
  std::mt19937_64 random(1);
  std::vector<std::byte> room(memory.info.readv_max_bytes + 1);
  for (int turn = 0; turn < 8; ++turn) {
    std::vector<hmem_range> ranges(std::min<uint32_t>(memory.info.readv_max_ranges, 200));
    uint64_t total = 0;
    for (hmem_range& range : ranges) {
      const uint64_t bytes = 1 + random() % (turn % 2 == 0 ? 300 : 20000);
      range = RangeOf(middle.start + random() % (middle.size() - bytes), bytes);
      total += bytes;
    }
    const std::span<std::byte> buffer = std::span(room).subspan(1, total);
    std::ranges::fill(room, kUntouched);
    check.Returns("HMEM_READV", Readv(memory.fd.get(), ranges, buffer), 0);
    size_t at = 0;
    for (const hmem_range& range : ranges) {
      check.Equal("bytes done", range.done, range.bytes);
      check.Equal("status", static_cast<uint32_t>(range.status), 0);
      ExpectBytes(check, "a piece", vmcore, PhysAddr(range.phys), buffer.subspan(at, range.bytes));
      at += range.bytes;
    }
    check.That(room[0] == kUntouched && IsUntouched(std::span(room).subspan(1 + total)),
               "bytes beside the buffer were written");
  }
}

// A hole costs its own room only.
}  // namespace

void TestReadvHoles(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  for (const PhysRange& hole : memory.Holes()) {
    const PhysAddr start = hole.start;
    const bool memory_before = start.value > 0;
    const uint64_t before = memory_before ? 100 : 0;
    const uint64_t inside = std::min<uint64_t>(hole.size(), 50);
    std::array ranges = {
        RangeOf(memory_before ? start - before : start, before + inside),  // into the hole
        RangeOf(start, inside),                                            // in it
        RangeOf(hole.end - 1, 101),                                        // out of it
        RangeOf(hole.end, 77),                                             // behind it
    };
    std::vector<std::byte> buffer(before + inside + inside + 101 + 77, kUntouched);
    const std::string where = "the hole " + ToText(hole);
    check.Returns(where, Readv(memory.fd.get(), ranges, buffer), 0);
    check.Equal(where + ": done before it", ranges[0].done, before);
    check.Returns(where + ": status before it", ranges[0].status, -ENXIO);
    check.Equal(where + ": done in it", ranges[1].done, 0);
    check.Returns(where + ": status in it", ranges[1].status, -ENXIO);
    check.Equal(where + ": done out of it", ranges[2].done, 0);
    check.Returns(where + ": status out of it", ranges[2].status, -ENXIO);
    check.Equal(where + ": done behind it", ranges[3].done, 77);
    check.Returns(where + ": status behind it", ranges[3].status, 0);
    const std::span<const std::byte> found = buffer;
    if (memory_before) ExpectBytes(check, where, vmcore, start - before, found.first(before));
    check.That(IsUntouched(found.subspan(before, inside + inside + 101)),
               where + ": its room was written");
    ExpectBytes(check, where, vmcore, hole.end, found.last(77));
  }
  std::array far = {RangeOf(memory.End() - 10, 20), RangeOf(memory.End(), 1),
                    RangeOf(PhysAddr(INT64_MAX), 9), RangeOf(PhysAddr(uint64_t{1} << 63), 9),
                    RangeOf(PhysAddr(~uint64_t{0} - 8), 9)};
  std::vector<std::byte> buffer(20 + 1 + 9 + 9 + 9, kUntouched);
  check.Returns("ranges at the end of everything", Readv(memory.fd.get(), far, buffer), 0);
  check.Equal("done in front of the end", far[0].done, 10);
  for (const hmem_range& range : far)
    check.Returns(fmt::format("status at {:#x}", range.phys), range.status, -ENXIO);
  check.That(IsUntouched(std::span(buffer).subspan(10)),
             "behind the last memory something was written");
}

namespace {

void RefusesRanges(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  const PhysAddr at = memory.Middle(kMiB).start;
  std::vector<std::byte> buffer(kMiB, kUntouched);
  const auto refuse = [&](std::string_view what, hmem_range bad) {
    // Behind a good one, which must not be read either.
    std::array ranges = {RangeOf(at, 8), bad};
    const std::array before = ranges;
    check.Returns(what, Readv(fd, ranges, buffer), -EINVAL);
    check.That(std::memcmp(&before, &ranges, sizeof(ranges)) == 0,
               fmt::format("{}: ranges were written", what));
    check.That(IsUntouched(buffer), fmt::format("{}: bytes were delivered", what));
  };
  refuse("an empty range", RangeOf(at, 0));
  refuse("a range beyond 2^64", RangeOf(PhysAddr(~uint64_t{0}), 2));
  refuse("a long range beyond 2^64", RangeOf(PhysAddr(~uint64_t{0} - 4095), 8192));
  for (unsigned bit = 0; bit < 32; ++bit) {
    refuse(fmt::format("done {:#x}", 1U << bit), {.phys = at.value, .bytes = 8, .done = 1U << bit});
    refuse(fmt::format("status {:#x}", 1U << bit),
           {.phys = at.value, .bytes = 8, .status = static_cast<int32_t>(1U << bit)});
    refuse(fmt::format("reserved {:#x}", 1U << bit),
           {.phys = at.value, .bytes = 8, .reserved = 1U << bit});
    hmem_range good = RangeOf(at, 8);
    hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(&good),
                        .buffer = reinterpret_cast<uintptr_t>(buffer.data()),
                        .buffer_bytes = buffer.size(),
                        .count = 1,
                        .flags = 1U << bit};
    check.Returns(fmt::format("flags {:#x}", 1U << bit), Ioctl(fd, HMEM_READV, &asked), -EINVAL);
    check.That(IsUntouched(buffer), "unknown flags, and bytes were delivered");
  }
}

void Limits(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  const PhysAddr at = memory.Middle(kMiB).start;
  const uint32_t most = memory.info.readv_max_ranges;
  const uint64_t most_bytes = memory.info.readv_max_bytes;
  std::vector<std::byte> buffer(most_bytes + kPage, kUntouched);
  std::vector<hmem_range> ranges(most + 1, RangeOf(at, 1));
  check.Returns("a range too many", Readv(fd, ranges, buffer), -EINVAL);
  check.That(IsUntouched(buffer), "a range too many, and bytes were delivered");
  check.Returns("as many ranges as there may be", Readv(fd, std::span(ranges).first(most), buffer),
                0);
  check.That(std::ranges::all_of(std::span(ranges).first(most),
                                 [](const hmem_range& r) { return r.done == 1; }),
             "of as many ranges as there may be some were not read");
  // One byte more than may be, in two ranges and in one.
  const PhysAddr start = memory.Big().start;
  check.Require(memory.Big().size() > most_bytes + 1, "not enough memory for the most bytes");
  std::array two = {RangeOf(start, most_bytes), RangeOf(start, 1)};
  check.Returns("a byte too many", Readv(fd, two, buffer), -EINVAL);
  std::array large = {RangeOf(start, UINT32_MAX), RangeOf(start, UINT32_MAX)};
  check.Returns("far too many bytes", Readv(fd, large, buffer), -EINVAL);
  std::array whole = {RangeOf(start, most_bytes)};
  check.Returns("as many bytes as there may be",
                Readv(fd, whole, std::span(buffer).first(most_bytes)), 0);
  check.Equal("bytes of as many as there may be", whole[0].done, most_bytes);
  std::array small = {RangeOf(start, 100)};
  check.Returns("a buffer too small", Readv(fd, small, std::span(buffer).first(99)), -EINVAL);
  for (const uint64_t bytes : {uint64_t{100}, uint64_t{INT64_MAX}, UINT64_MAX}) {
    small = {RangeOf(start, 100)};
    hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(small.data()),
                        .buffer = reinterpret_cast<uintptr_t>(buffer.data()),
                        .buffer_bytes = bytes,
                        .count = 1};
    const int64_t answer = Ioctl(fd, HMEM_READV, &asked);
    // A size that no process can have may be told from one that it can.
    if (bytes == 100) check.Returns("a buffer that fits", answer, 0);
    check.That(answer == 0 || answer == -EINVAL || answer == -EFAULT,
               fmt::format("a buffer of {:#x} bytes: {}", bytes, ErrnoName(answer)));
  }
  hmem_readv none = {};
  check.Returns("no ranges", Ioctl(fd, HMEM_READV, &none), 0);
  hmem_range one = RangeOf(start, 1);
  hmem_readv many = {.ranges = reinterpret_cast<uintptr_t>(&one),
                     .buffer = reinterpret_cast<uintptr_t>(buffer.data()),
                     .buffer_bytes = 1,
                     .count = UINT32_MAX};
  check.Returns("UINT32_MAX ranges", Ioctl(fd, HMEM_READV, &many), -EINVAL);
}

void Pointers(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  const PhysAddr at = memory.Middle(kMiB).start;
  ExpectReadFaults(check, sizeof(hmem_range), [&](void* array) {
    auto* range = static_cast<hmem_range*>(array);
    std::byte byte{};
    hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(range),
                        .buffer = reinterpret_cast<uintptr_t>(&byte),
                        .buffer_bytes = 1,
                        .count = 1};
    return Ioctl(fd, HMEM_READV, &asked);
  });
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check.Require(page != MAP_FAILED, "no page");
  auto* range = static_cast<hmem_range*>(page);
  *range = RangeOf(at, 1);
  ::mprotect(page, kPage, PROT_READ);
  std::byte byte{};
  check.Returns("an answer that cannot be written", Readv(fd, {range, 1}, {&byte, 1}), -EFAULT);
  ExpectFaults(check, 3 * kPage, [&](void* buffer) {
    std::array pieces = {RangeOf(at, kPage), RangeOf(at, kPage), RangeOf(at, kPage)};
    return Readv(fd, pieces, {static_cast<std::byte*>(buffer), 3 * kPage});
  });
  ExpectReadFaults(check, sizeof(hmem_readv),
                   [&](void* argument) { return Ioctl(fd, HMEM_READV, argument); });
  // The answer lands in what was just read: no promise but that nothing breaks.
  std::array<hmem_range, 64> self = {};
  std::ranges::fill(self, RangeOf(at, sizeof(hmem_range)));
  check.That(Readv(fd, self, {reinterpret_cast<std::byte*>(self.data()), sizeof(self)}) == 0,
             "a buffer over its own ranges");
  check.Equal("the answers over the bytes", self[63].done, sizeof(hmem_range));
}

// A buffer that has no page yet gets one.
void FreshBuffer(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange middle = memory.Middle(4 * kMiB);
  const Guarded room(middle.size());
  std::array ranges = {RangeOf(middle.start, middle.size())};
  check.Returns("into pages that are not there yet", Readv(memory.fd.get(), ranges, room.bytes()),
                0);
  ExpectBytes(check, "fresh pages", vmcore, middle.start, room.bytes());
}

}  // namespace

std::span<const TestCase> ReadvTests() {
  static constexpr TestCase kTests[] = {
      {"readv.odd-pieces", ReadsOddPieces},
      {"readv.holes", TestReadvHoles},
      {"readv.refuses-ranges", RefusesRanges},
      {"readv.limits", Limits},
      {"readv.pointers", Pointers},
      {"readv.fresh-buffer", FreshBuffer},
  };
  return kTests;
}

}  // namespace hmem::device_test
