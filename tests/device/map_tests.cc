// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

constexpr uint64_t kLarge = 2 * kMiB;  // the next larger page of the CPU

int64_t Map(int fd, PhysAddr at, size_t bytes, int protection, int flags, void* where = nullptr) {
  return ErrnoOr(reinterpret_cast<intptr_t>(
      ::mmap(where, bytes, protection, flags, fd, static_cast<off_t>(at.value))));
}

std::byte* Pointer(int64_t mapped) { return At(static_cast<uint64_t>(mapped)); }

PhysAddr PageBelow(PhysAddr at) { return PhysAddr(at.value / kPage * kPage); }
PhysAddr PageAbove(PhysAddr at) { return PageBelow(at + (kPage - 1)); }

// Whatever the alignment of either side.
void EveryAlignment(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange middle = memory.Middle(16 * kMiB);
  const PhysAddr large((middle.start.value + kLarge) / kLarge * kLarge);
  void* room = ::mmap(nullptr, 16 * kMiB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::byte* aligned = At((reinterpret_cast<uintptr_t>(room) + kLarge - 1) / kLarge * kLarge);
  for (const uint64_t skew : {uint64_t{0}, kPage, kLarge / 2, kLarge - kPage}) {
    for (const uint64_t place : {uint64_t{0}, kPage, kLarge - kPage}) {
      for (const uint64_t bytes : {kPage, kLarge, 2 * kLarge, 2 * kLarge + 3 * kPage}) {
        const int64_t mapped = Map(memory.fd.get(), large + skew, bytes, PROT_READ,
                                   MAP_SHARED | MAP_FIXED, aligned + place);
        const std::string what =
            fmt::format("{:#x} bytes of {:#x} at {:#x}", bytes, large.value + skew, place);
        check.Require(mapped > 0, fmt::format("{}: {}", what, ErrnoName(mapped)));
        ExpectBytes(check, what, vmcore, large + skew, {Pointer(mapped), bytes});
        ::munmap(Pointer(mapped), bytes);
      }
    }
  }
}

}  // namespace

void TestWholeRangesMapped(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  for (const PhysRange& range : memory.ram) {
    const PhysAddr start = PageBelow(range.start);
    const uint64_t bytes = PageAbove(range.end) - start;
    const Mapping mapping(memory.fd.get(), start.value, bytes);
    check.Require(mapping.error() == 0,
                  fmt::format("{}: {}", ToText(range), ErrnoName(mapping.error())));
    const auto found = mapping.bytes().subspan(range.start - start, range.size());
    const size_t some = std::min<size_t>(found.size(), kMiB);
    ExpectBytes(check, "its start", vmcore, range.start, found.first(some));
    ExpectBytes(check, "its end", vmcore, range.end - some, found.last(some));
  }
  // The length need not be whole pages.
  const PhysRange middle = memory.Middle(kMiB);
  const Mapping part(memory.fd.get(), middle.start.value, 100);
  check.Returns("100 bytes", part.error(), 0);
  if (part.error() == 0) ExpectBytes(check, "100 bytes", vmcore, middle.start, part.bytes());
}

void TestMappedHoles(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  const auto refuse = [&](const std::string& what, PhysAddr at, uint64_t bytes) {
    check.Returns(what, Mapping(fd, at.value, bytes).error(), -ENXIO);
  };
  for (const PhysRange& hole : memory.Holes()) {
    const PhysAddr start = PageAbove(hole.start);
    const PhysAddr end = PageBelow(hole.end);
    if (end <= start) continue;
    const std::string where = ToText(hole);
    refuse("the first page of " + where, start, kPage);
    refuse("the last page of " + where, end - kPage, kPage);
    refuse("all of " + where, start, end - start);
    if (start.value > 0) {
      refuse("into " + where, start - kPage, 2 * kPage);
      refuse("across " + where, start - kPage, end - start + 2 * kPage);
    }
    refuse("out of " + where, end - kPage, 2 * kPage);
  }
  const PhysAddr end = PageAbove(memory.End());
  refuse("behind the end", end, kPage);
  refuse("over the end", end - kPage, 2 * kPage);
  refuse("everything", PhysAddr(0), end.value);
  refuse("2^52", PhysAddr(uint64_t{1} << 52), kPage);
  for (const uint64_t at :
       {uint64_t{INT64_MAX} - kPage + 1, uint64_t{1} << 63, ~uint64_t{0} - kPage + 1}) {
    for (const uint64_t bytes : {kPage, 2 * kPage, uint64_t{1} << 40}) {
      check.Refuses(fmt::format("{:#x} bytes at {:#x}", bytes, at), Mapping(fd, at, bytes).error(),
                    {ENXIO, EOVERFLOW, EINVAL, ENOMEM});
    }
  }
  check.Returns("an odd offset", Mapping(fd, memory.Big().start.value + 1, kPage).error(), -EINVAL);
  check.Returns("no bytes", Mapping(fd, memory.Big().start.value, 0).error(), -EINVAL);
}

namespace {

void IsReadOnly(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  const PhysAddr at = memory.Middle(kMiB).start;
  check.Returns("shared, to write", Map(fd, at, kPage, PROT_READ | PROT_WRITE, MAP_SHARED),
                -EACCES);
  check.Returns("shared, only to write", Map(fd, at, kPage, PROT_WRITE, MAP_SHARED), -EACCES);
  check.Returns("private, to write", Map(fd, at, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE),
                -EINVAL);
  check.Returns("private", Map(fd, at, kPage, PROT_READ, MAP_PRIVATE), -EINVAL);
  check.Returns("private, of nothing yet", Map(fd, at, kPage, PROT_NONE, MAP_PRIVATE), -EINVAL);
  check.Returns("to execute", Map(fd, at, kPage, PROT_READ | PROT_EXEC, MAP_SHARED), -EPERM);
  check.Refuses("in another cache mode",
                Map(fd, at, kPage, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC), {EOPNOTSUPP});
  for (const int protection : {PROT_READ, PROT_NONE}) {
    const int64_t mapped = Map(fd, at, kPage, protection, MAP_SHARED);
    check.Require(mapped > 0,
                  fmt::format("shared, protection {}: {}", protection, ErrnoName(mapped)));
    for (const int more : {PROT_READ | PROT_WRITE, PROT_WRITE, PROT_READ | PROT_EXEC, PROT_EXEC})
      check.Returns(fmt::format("protection {} later", more),
                    ErrnoOr(::mprotect(Pointer(mapped), kPage, more)), -EACCES);
    check.Returns("no access later", ErrnoOr(::mprotect(Pointer(mapped), kPage, PROT_NONE)), 0);
    check.Returns("SIGSEGV then", Touch(Pointer(mapped), false), SIGSEGV);
    check.Returns("to read again", ErrnoOr(::mprotect(Pointer(mapped), kPage, PROT_READ)), 0);
    check.Returns("which works", Touch(Pointer(mapped), false), 0);
    check.Returns("a write", Touch(Pointer(mapped), true), SIGSEGV);
  }
}

// A debugger may write where a process may not: not here.
void NotThroughProcMem(Check& check) {
  const OldMemory memory(check);
  const Mapping mapping(memory.fd.get(), memory.Middle(kMiB).start.value, kPage);
  check.Require(mapping.error() == 0, "no mapping");
  std::array<std::byte, 16> bytes = {};
  const UniqueFd self(static_cast<int>(Open("/proc/self/mem", O_RDWR)));
  check.Require(self.valid(), "no /proc/self/mem");
  const std::byte first = mapping.bytes()[0];
  const auto at = reinterpret_cast<uintptr_t>(mapping.data());
  const std::byte other = first ^ std::byte{0xff};
  check.Refuses("a write through /proc/self/mem",
                ErrnoOr(::pwrite(self.get(), &other, 1, static_cast<off_t>(at))), {EIO, EFAULT});
  check.That(mapping.bytes()[0] == first, "old memory was written to");
  check.Returns("a read into the mapping",
                Pread(memory.fd.get(), const_cast<std::byte*>(mapping.data()), bytes.size(),
                      memory.Middle(kMiB).start.value + kPage),
                -EFAULT);
  check.That(mapping.bytes()[0] == first, "old memory was read over");
}

// Programs of long ago get PROT_EXEC with PROT_READ; then there is no mapping, but also no harm.
void OldPersonality(Check& check) {
  const OldMemory memory(check);
  check.Require(::personality(READ_IMPLIES_EXEC) >= 0, "no personality");
  const Mapping mapping(memory.fd.get(), memory.Middle(kMiB).start.value, kPage);
  check.Refuses("READ_IMPLIES_EXEC", mapping.error(), {EPERM});
}

void InPieces(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  constexpr uint64_t kBytes = 8 * kMiB;
  const PhysRange middle = memory.Middle(kBytes);
  const PhysAddr large((middle.start.value + kLarge - 1) / kLarge * kLarge);
  const auto map = [&] {
    const int64_t mapped = Map(fd, large, kBytes / 2, PROT_READ, MAP_SHARED);
    check.Require(mapped > 0, fmt::format("mmap: {}", ErrnoName(mapped)));
    return Pointer(mapped);
  };
  const auto expect = [&](const std::string& what, const std::byte* start, uint64_t from,
                          uint64_t bytes) {
    ExpectBytes(check, what, vmcore, large + from, {start + from, bytes});
  };
  // Which piece is taken away: {from, bytes}.
  for (const auto& [from, bytes] :
       {std::pair{uint64_t{0}, kMiB}, {3 * kMiB, kMiB}, {kMiB, kMiB + kPage}, {kLarge, kPage}}) {
    std::byte* start = map();
    const std::string what = fmt::format("without {:#x} bytes from {:#x} on", bytes, from);
    check.Returns(what, ErrnoOr(::munmap(start + from, bytes)), 0);
    if (from > 0) expect(what + ", in front", start, 0, from);
    if (from + bytes < kBytes / 2)
      expect(what + ", behind", start, from + bytes, kBytes / 2 - from - bytes);
    check.Returns(what + ", the piece", Touch(start + from, false), SIGSEGV);
    ::munmap(start, kBytes / 2);
  }
  // A piece that may not be read for a while.
  std::byte* start = map();
  check.Returns("no access to a piece", ErrnoOr(::mprotect(start + kMiB, kMiB, PROT_NONE)), 0);
  check.Returns("the piece", Touch(start + kMiB, false), SIGSEGV);
  expect("beside it", start, 2 * kMiB, kMiB);
  check.Returns("access again", ErrnoOr(::mprotect(start + kMiB, kMiB, PROT_READ)), 0);
  expect("all of it", start, 0, kBytes / 2);
}

// mremap(2): what is moved or cut has the same bytes; nothing can be grown into what was not
// checked.
void Moved(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  const PhysRange middle = memory.Middle(4 * kMiB);
  const int64_t mapped = Map(fd, middle.start, 4 * kMiB, PROT_READ, MAP_SHARED);
  check.Require(mapped > 0, fmt::format("mmap: {}", ErrnoName(mapped)));
  std::byte* start = Pointer(mapped);
  const auto remap = [](std::byte* from, size_t bytes, size_t wanted, int flags,
                        void* to = nullptr) {
    return ErrnoOr(reinterpret_cast<intptr_t>(::mremap(from, bytes, wanted, flags, to)));
  };
  check.Refuses("growing", remap(start, 4 * kMiB, 8 * kMiB, MREMAP_MAYMOVE), {EFAULT, EINVAL});
  check.Refuses("doubling", remap(start, 0, 4 * kMiB, MREMAP_MAYMOVE), {EFAULT, EINVAL});
  void* room = ::mmap(nullptr, 16 * kMiB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  auto* target = static_cast<std::byte*>(room) + kPage;
  const int64_t moved = remap(start, 4 * kMiB, 4 * kMiB, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  check.Returns("moving", moved, reinterpret_cast<intptr_t>(target));
  if (moved < 0) return;
  ExpectBytes(check, "moved", vmcore, middle.start, {target, 4 * kMiB});
  check.Returns("where it was", Touch(start, false), SIGSEGV);
  check.Returns("cutting", remap(target, 4 * kMiB, kMiB, 0), reinterpret_cast<intptr_t>(target));
  ExpectBytes(check, "cut", vmcore, middle.start, {target, kMiB});
  check.Returns("what was cut off", Touch(target + kMiB, false), SIGSEGV);
}

void Inherited(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange middle = memory.Middle(4 * kMiB);
  const Mapping mapping(memory.fd.get(), middle.start.value, middle.size());
  check.Require(mapping.error() == 0, "no mapping");
  std::vector<std::byte> expected(middle.size());
  vmcore.Read(middle.start, expected);
  const pid_t child = ::fork();
  if (child == 0)
    ::_exit(std::memcmp(expected.data(), mapping.data(), expected.size()) == 0 ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  check.Equal("how a child that reads its parent's mapping ends", static_cast<uint64_t>(status), 0);
  ExpectBytes(check, "after the child's end", vmcore, middle.start, mapping.bytes());
}

// A mapping lives on its own, and many can be there at once.
void Many(Check& check) {
  OldMemory memory(check);
  const Vmcore vmcore(check);
  constexpr size_t kCount = 200;
  const PhysRange big = memory.Big();
  const uint64_t stride = (big.size() / kCount) / kPage * kPage;
  const PhysAddr first = PageAbove(big.start);
  std::vector<std::byte*> mappings;
  for (size_t i = 0; i < kCount; ++i) {
    const int64_t mapped =
        Map(memory.fd.get(), first + i * stride, 3 * kPage, PROT_READ, MAP_SHARED);
    check.Require(mapped > 0, fmt::format("mapping {}: {}", i, ErrnoName(mapped)));
    mappings.push_back(Pointer(mapped));
  }
  memory.fd.Reset();
  for (size_t i = 0; i < kCount; ++i)
    ExpectBytes(check, fmt::format("mapping {}", i), vmcore, first + i * stride,
                {mappings[i], 3 * kPage});
}

// The kernel's advice calls have no use here, and no effect on the bytes.
void Advised(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange middle = memory.Middle(4 * kMiB);
  const Mapping mapping(memory.fd.get(), middle.start.value, middle.size());
  check.Require(mapping.error() == 0, "no mapping");
  auto* start = const_cast<std::byte*>(mapping.data());
  for (const int advice : {MADV_DONTNEED, MADV_REMOVE, MADV_HUGEPAGE, MADV_WILLNEED,
                           MADV_POPULATE_READ, MADV_PAGEOUT, MADV_COLD})
    ::madvise(start, middle.size(), advice);
  check.Refuses("giving the memory back", ErrnoOr(::madvise(start, middle.size(), MADV_FREE)),
                {EINVAL});
  check.Refuses("poisoning", ErrnoOr(::madvise(start, kPage, MADV_HWPOISON)),
                {EFAULT, EINVAL, ENODEV, EIO, EBUSY, ENXIO});
  ::mlock(start, middle.size());
  ExpectBytes(check, "after advice", vmcore, middle.start, mapping.bytes());
  // write(2) can take it from there.
  const UniqueFd file(::memfd_create("copy", MFD_CLOEXEC));
  check.Returns("write(2) of a mapping", ErrnoOr(::write(file.get(), start, middle.size())),
                static_cast<int64_t>(middle.size()));
  const Mapping copy(file.get(), 0, middle.size());
  if (copy.error() == 0) ExpectBytes(check, "a written copy", vmcore, middle.start, copy.bytes());
}

}  // namespace

std::span<const TestCase> MapTests() {
  static constexpr TestCase kTests[] = {
      {"map.every-alignment", EveryAlignment},
      {"map.whole-ranges", TestWholeRangesMapped},
      {"map.holes", TestMappedHoles},
      {"map.is-read-only", IsReadOnly},
      {"map.not-through-proc-mem", NotThroughProcMem},
      {"map.old-personality", OldPersonality},
      {"map.in-pieces", InPieces},
      {"map.moved", Moved},
      {"map.inherited", Inherited},
      {"map.many", Many},
      {"map.advised", Advised},
  };
  return kTests;
}

}  // namespace hmem::device_test
