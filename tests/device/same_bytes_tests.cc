// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

constexpr uint64_t kWindow = 4 * kMiB;

// All old memory: mapped, and as /proc/vmcore maps it; every eighth window also read, all of which
// the host compares with the machine's memory.
void Everything(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  std::vector<std::byte> buffer(kWindow);
  uint64_t seen = 0;
  for (const PhysRange& range : memory.ram) {
    for (PhysAddr at = range.start; at < range.end && !check.failed();) {
      // Windows end at multiples of their size, so that all but the first and last are whole.
      const PhysAddr end = std::min(range.end, PhysAddr((at.value / kWindow + 1) * kWindow));
      const size_t bytes = end - at;
      const uint64_t skew = at.value % kPage;
      const Mapping mapping(memory.fd.get(), at.value - skew, bytes + skew);
      uint64_t left = 0;
      const uint64_t offset = vmcore.OffsetOf(at, &left);
      check.Require(left >= bytes, "a segment of /proc/vmcore ends inside a range");
      const uint64_t vmcore_skew = offset % kPage;
      const Mapping other(vmcore.fd(), offset - vmcore_skew, bytes + vmcore_skew);
      check.Require(mapping.error() == 0 && other.error() == 0,
                    fmt::format("mmap at {:#x}: {}, of /proc/vmcore {}", at.value,
                                ErrnoName(mapping.error()), ErrnoName(other.error())));
      check.That(std::memcmp(mapping.data() + skew, other.data() + vmcore_skew, bytes) == 0,
                 fmt::format("mapped at {:#x}: not /proc/vmcore's bytes", at.value));
      if (at.value / kWindow % 8 == 0) {
        check.Returns(fmt::format("a read at {:#x}", at.value),
                      Pread(memory.fd.get(), buffer.data(), bytes, at.value),
                      static_cast<int64_t>(bytes));
        check.That(std::memcmp(buffer.data(), other.data() + vmcore_skew, bytes) == 0,
                   fmt::format("read at {:#x}: not /proc/vmcore's bytes", at.value));
      }
      seen += bytes;
      at = end;
    }
  }
  check.Equal("bytes compared", seen, memory.info.ram_bytes);
}

// What /proc/vmcore maps and what it reads may differ, too.
void AsVmcoreReads(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  std::vector<std::byte> buffer(kMiB);
  for (const PhysRange& range : memory.ram) {
    for (const PhysAddr at : {range.start, PhysAddr(range.start.value + range.size() / 2),
                              range.end - std::min<uint64_t>(range.size(), kMiB)}) {
      const size_t bytes = std::min<uint64_t>(kMiB, range.end - at);
      check.Returns("a read", Pread(memory.fd.get(), buffer.data(), bytes, at.value),
                    static_cast<int64_t>(bytes));
      ExpectBytes(check, "a read", vmcore, at, std::span(buffer).first(bytes));
    }
  }
}

}  // namespace

std::span<const TestCase> SameBytesTests() {
  static constexpr TestCase kTests[] = {
      {"same.everything", Everything, 240},
      {"same.as-vmcore-reads", AsVmcoreReads},
  };
  return kTests;
}

}  // namespace hmem::device_test
