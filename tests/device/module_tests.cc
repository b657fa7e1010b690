// SPDX-License-Identifier: GPL-2.0-or-later
// Loading hmem.ko with addresses that are none, and unloading it while it is used.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "tests/device/core_headers.h"
#include "tests/device/module.h"
#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

void BadAddresses(Check& check) {
  for (const std::string parameters :
       {"", "elfcorehdr=0", "elfcorehdr=1", "elfcorehdr=0x1000", "elfcorehdr=0xfffff",
        "elfcorehdr=0xfee00000", "elfcorehdr=0x0fffffffffff0000", "elfcorehdr=0xfffffffffffff000",
        "elfcorehdr=0xffffffffffffffff", "elfcorehdr=-1", "elfcorehdr=here",
        "elfcorehdr=", "elfcorehdr=0x10000000000000000"}) {
    const int64_t loaded = LoadModule(kModulePath, parameters);
    check.That(loaded < 0, fmt::format("loaded with \"{}\"", parameters));
    if (loaded == 0) UnloadHmem();
  }
  check.That(::access(kDevice, F_OK) != 0, "a device of a module that was not loaded");
}

// A core header in this kernel's own memory is none that an old kernel left.
void OwnMemoryAsHeader(Check& check) {
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  check.Require(page != MAP_FAILED && ::mlock(page, kPage) == 0, "no page");
  std::memcpy(page, CoreHeaders().front().page.data(), kPage);
  const uint64_t phys = PhysicalAddress(page);
  check.Require(phys != 0, "the kernel tells no physical address");
  const int64_t loaded = LoadModule(kModulePath, fmt::format("elfcorehdr={:#x}", phys));
  check.That(loaded < 0, "loaded with a core header in this kernel's own memory");
  if (loaded == 0) UnloadHmem();
}

void Loads(Check& check) {
  check.Returns("loading", LoadHmem(), 0);
  check.Returns("loading once more", LoadHmem(), -EEXIST);
  check.That(::access(kDevice, F_OK) == 0, "no device");
}

void Reload(Check& check) {
  check.Returns("unloading", UnloadHmem(), 0);
  check.Returns("opening then", Open(kDevice, O_RDONLY), -ENOENT);
  check.Returns("loading again", LoadHmem(), 0);
  const OldMemory memory(check);
  std::byte byte{};
  check.Returns("reading then", Pread(memory.fd.get(), &byte, 1, memory.Big().start.value), 1);
}

void WhileOpen(Check& check) {
  {
    const OldMemory memory(check);
    check.Returns("unloading while open", UnloadHmem(), -EAGAIN);
    std::byte byte{};
    check.Returns("reading then", Pread(memory.fd.get(), &byte, 1, memory.Big().start.value), 1);
  }
  Reload(check);
}

void WhileMapped(Check& check) {
  OldMemory memory(check);
  {
    const Vmcore vmcore(check);
    const PhysRange middle = memory.Middle(kMiB);
    const Mapping mapping(memory.fd.get(), middle.start.value, kMiB);
    check.Require(mapping.error() == 0, "no mapping");
    memory.fd.Reset();
    check.Returns("unloading while mapped", UnloadHmem(), -EAGAIN);
    ExpectBytes(check, "the mapping then", vmcore, middle.start, mapping.bytes());
  }
  Reload(check);
}

// Openers and readers against someone who unloads and loads: each gets a device that works or none.
void Churn(Check& check) {
  const OldMemory memory(check);
  const uint64_t at = memory.Big().start.value;
  std::array<pid_t, 2> children = {};
  for (pid_t& child : children) {
    child = ::fork();
    if (child != 0) continue;
    ::close(memory.fd.get());
    while (true) {
      const UniqueFd fd(static_cast<int>(Open(kDevice, O_RDONLY)));
      if (!fd.valid()) continue;
      std::array<std::byte, 10000> bytes = {};
      if (Pread(fd.get(), bytes.data(), bytes.size(), at) != static_cast<int64_t>(bytes.size()))
        ::_exit(1);
      const Mapping mapping(fd.get(), at / kPage * kPage, 2 * kPage);
      if (mapping.error() != 0 || std::memcmp(mapping.data() + at % kPage, bytes.data(), 100) != 0)
        ::_exit(2);
    }
  }
  ::close(const_cast<OldMemory&>(memory).fd.Release());
  int unloaded = 0;
  for (int turn = 0; turn < 400 && unloaded < 15; ++turn) {
    const int64_t gone = UnloadHmem();
    check.Refuses("unloading", gone == 0 ? -EAGAIN : gone, {EAGAIN});
    if (gone != 0) {
      ::usleep(500);
      continue;
    }
    ++unloaded;
    check.Returns("loading", LoadHmem(), 0);
  }
  for (const pid_t child : children) {
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    check.That(WIFSIGNALED(status), fmt::format("a reader ended with status {:#x}", status));
  }
  check.That(unloaded > 0, "the module was never unloaded");
}

}  // namespace

std::span<const TestCase> LoadTests() {
  static constexpr TestCase kTests[] = {
      {"module.bad-addresses", BadAddresses},
      {"module.own-memory-as-header", OwnMemoryAsHeader},
      {"module.loads", Loads},
  };
  return kTests;
}

std::span<const TestCase> UnloadTests() {
  static constexpr TestCase kTests[] = {
      {"module.unloads-while-open", WhileOpen},
      {"module.unloads-while-mapped", WhileMapped},
      {"module.churn", Churn},
  };
  return kTests;
}

}  // namespace hmem::device_test
