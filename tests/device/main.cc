// SPDX-License-Identifier: GPL-2.0-or-later
// The first process of two kernels: of the one that fails, and of the one that captures it and in
// which /dev/hmem is tested. hmem.test= of the command line says what is wanted: "tests" or
// "speed". What the host is told are lines of the log; it ends the machine.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "tests/device/first_kernel.h"
#include "tests/device/module.h"
#include "tests/device/old_memory.h"
#include "tests/device/speed.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

void MountAll() {
  for (const auto& [name, place] :
       {std::pair{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}}) {
    ::mkdir(place, 0755);
    ::mount(name, place, name, 0, nullptr);
  }
}

void LoadDiskModules() {
  std::ifstream order("/modules/order");
  for (std::string name; std::getline(order, name);) {
    const int64_t loaded = LoadModule(("/modules/" + name).c_str(), "");
    if (loaded != 0) Say(fmt::format("failed: {}: {}", name, ErrnoName(loaded)));
  }
}

void TellRegions(const OldMemory& memory) {
  for (const hmem_region& region : memory.regions) {
    Say(fmt::format("region {:#x} {:#x} {:#x} {}", region.start, region.bytes, region.virt,
                    region.kind));
  }
}

// All old memory as read(2) gives it, range behind range, each padded to a page, for the host to
// compare with what the machine really has.
bool SaveMemory(const OldMemory& memory) {
  const UniqueFd disk(static_cast<int>(Open("/dev/vda", O_WRONLY | O_DIRECT)));
  const Guarded room(kMiB);
  uint64_t written = 0;
  for (const PhysRange& range : memory.ram) {
    for (PhysAddr at = range.start; at < range.end;) {
      const size_t bytes = std::min<uint64_t>(kMiB, range.end - at);
      if (Pread(memory.fd.get(), room.data(), bytes, at.value) != static_cast<int64_t>(bytes)) {
        Say(fmt::format("failed: {:#x} cannot be read", at.value));
        return false;
      }
      const size_t padded = (bytes + kPage - 1) / kPage * kPage;
      std::fill(room.data() + bytes, room.data() + padded, std::byte{0});
      if (::pwrite(disk.get(), room.data(), padded, static_cast<off_t>(written)) !=
          static_cast<ssize_t>(padded)) {
        Say("failed: the disk cannot be written");
        return false;
      }
      written += padded;
      at = at + bytes;
    }
  }
  return ::fsync(disk.get()) == 0;
}

void RunInCaptureKernel(bool speed) {
  if (speed) {
    if (HasModule()) LoadHmem();
    MeasureSpeed();
    return;
  }
  std::vector<TestCase> tests;
  const auto add = [&](std::span<const TestCase> more) {
    tests.insert(tests.end(), more.begin(), more.end());
  };
  if (HasModule()) {
    add(HostileHeaderTests());
    add(LoadTests());
  }
  add(InfoTests());
  add(RefusalTests());
  add(ReadTests());
  add(ReadvTests());
  add(MapTests());
  add(CompatTests());
  add(ConcurrencyTests());
  add(SameBytesTests());
  if (HasModule()) add(UnloadTests());
  RunTests(tests);
  Check check(STDERR_FILENO);
  {
    const OldMemory memory(check);
    TellRegions(memory);
    if (!SaveMemory(memory)) return;
  }
  RunTests(LockdownTests());
}

}  // namespace
}  // namespace hmem::device_test

int main() {
  using namespace hmem::device_test;  // NOLINT(google-build-using-namespace)
  MountAll();
  LoadDiskModules();
  if (::access("/proc/vmcore", F_OK) != 0) {
    CrashFirstKernel();
  } else {
    const hmem::Result<std::string> line = hmem::ReadTextFile("/proc/cmdline", kPage);
    RunInCaptureKernel(line && line->find("hmem.test=speed") != std::string::npos);
  }
  Say("end");
  while (true) ::pause();
}
