// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/device/first_kernel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kexec.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "tests/device/core_headers.h"
#include "tests/device/module.h"
#include "tests/device/old_memory.h"
#include "tests/device/test_case.h"

namespace hmem::device_test {
namespace {

constexpr char kKernel[] = "/capture/vmlinuz";
constexpr char kInitramfs[] = "/capture/initrd";
constexpr char kCommandLine[] = "/capture/cmdline";
// What the machine goes on living from while the rest is filled.
constexpr uint64_t kLeftFree = 64 * kMiB;

// There is nothing to show before a crash.
void NoDeviceYet(Check& check) {
  check.That(::access(kDevice, F_OK) != 0, "a device in a kernel that captures nothing");
  if (!HasModule()) return;
  for (const char* parameters : {"", "elfcorehdr=0x1000000"}) {
    check.Returns(fmt::format("loading with \"{}\"", parameters),
                  LoadModule(kModulePath, parameters), -ENODEV);
  }
  check.That(::access(kDevice, F_OK) != 0, "a device of a module that was not loaded");
}

void TellMemoryMap() {
  FILE* file = std::fopen("/proc/iomem", "re");
  if (file == nullptr) return;
  std::array<char, 256> line = {};
  while (std::fgets(line.data(), line.size(), file) != nullptr) {
    if (std::strstr(line.data(), "System RAM") != nullptr ||
        std::strstr(line.data(), "Crash kernel") != nullptr)
      Say(fmt::format("iomem {}", line.data()));
  }
  std::fclose(file);
}

// No line of the cache is like another, and none is zero: what is read from the wrong place is not
// the same.
void FillMemory() {
  struct sysinfo info = {};
  ::sysinfo(&info);
  const uint64_t free = uint64_t{info.freeram} * info.mem_unit;
  if (free <= kLeftFree) return;
  const uint64_t bytes = (free - kLeftFree) / kPage * kPage;
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return;
  ::madvise(at, bytes, MADV_HUGEPAGE);
  auto* words = static_cast<uint64_t*>(at);
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  constexpr uint64_t kLineWords = 64 / sizeof(uint64_t);
  for (uint64_t i = 0; i < bytes / sizeof(uint64_t); i += kLineWords) words[i] = (i + 1) * kOdd;
  Say(fmt::format("filled {} pages", bytes / kPage));
}

// A disk that has worked: its rings lie in memory that the next kernel looks at.
void UseDisk() {
  std::vector<std::byte> bytes(kMiB);
  const UniqueFd disk(static_cast<int>(Open("/dev/vda", O_RDONLY)));
  if (Pread(disk.get(), bytes.data(), bytes.size(), 0) != static_cast<int64_t>(kMiB))
    Say("no disk");
}

int64_t LoadCaptureKernel() {
  const UniqueFd kernel(static_cast<int>(Open(kKernel, O_RDONLY)));
  const UniqueFd initramfs(static_cast<int>(Open(kInitramfs, O_RDONLY)));
  const Result<std::string> words = ReadTextFile(kCommandLine, kPage);
  if (!words) return -ENOENT;
  std::string line = *words;
  if (HasModule()) {
    const std::string headers = PlantCoreHeaders();
    if (headers.empty()) return -ENOMEM;
    line += " " + headers;
  }
  return ErrnoOr(::syscall(SYS_kexec_file_load, kernel.get(), initramfs.get(), line.size() + 1,
                           line.c_str(), KEXEC_FILE_ON_CRASH));
}

}  // namespace

void CrashFirstKernel() {
  static constexpr TestCase kTests[] = {{"module.not-before-a-crash", NoDeviceYet}};
  RunTests(kTests);
  UseDisk();
  TellMemoryMap();
  if (const int64_t loaded = LoadCaptureKernel(); loaded != 0) {
    Say(fmt::format("failed: kexec_file_load: {}", ErrnoName(loaded)));
    return;
  }
  FillMemory();
  // The boot CPU must be the one that goes on, to have more than one of them afterwards.
  cpu_set_t boot_cpu;
  CPU_ZERO(&boot_cpu);
  CPU_SET(0, &boot_cpu);
  ::sched_setaffinity(0, sizeof(boot_cpu), &boot_cpu);
  Say("crashing");
  const UniqueFd sysrq(static_cast<int>(Open("/proc/sysrq-trigger", O_WRONLY)));
  if (::write(sysrq.get(), "c", 1) != 1)
    Say(fmt::format("failed: sysrq: {}", std::strerror(errno)));
}

}  // namespace hmem::device_test
