// SPDX-License-Identifier: GPL-2.0-or-later
// 32-bit system calls: a 64-bit process can make them too, by int 0x80, with pointers below 4 GiB.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

// Numbers of arch/x86/entry/syscalls/syscall_32.tbl.
enum class Call : uint32_t {
  kGetPid = 20,
  kIoctl = 54,
  kLlseek = 140,
  kPread64 = 180,
  kMmap2 = 192
};

int64_t Call32(Call number, uint32_t a, uint32_t b = 0, uint32_t c = 0, uint32_t d = 0,
               uint32_t e = 0, uint32_t f = 0) {
  auto result = static_cast<uint64_t>(number);
  // The sixth argument is in the frame pointer, which the compiler may be using.
  asm volatile(
      "push %%rbp\n\t"
      "mov %[f], %%ebp\n\t"
      "int $0x80\n\t"
      "pop %%rbp"
      : "+a"(result)
      : "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "r"(f)
      : "memory", "cc", "r8", "r9", "r10", "r11");
  return static_cast<int32_t>(result);
}

// Memory below 4 GiB, which a 32-bit pointer reaches.
class LowMemory {
 public:
  LowMemory(Check& check, size_t bytes) : bytes_(bytes) {
    start_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                    -1, 0);
    check.Require(start_ != MAP_FAILED, "no memory below 4 GiB");
  }
  LowMemory(const LowMemory&) = delete;
  LowMemory& operator=(const LowMemory&) = delete;
  ~LowMemory() { ::munmap(start_, bytes_); }

  template <typename T>
  T* At(size_t offset) const {
    return reinterpret_cast<T*>(static_cast<std::byte*>(start_) + offset);
  }
  uint32_t Address(size_t offset) const {
    return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(At<std::byte>(offset)));
  }

 private:
  void* start_;
  size_t bytes_;
};

void NeedsEmulation(const Check& check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(Call32(Call::kGetPid, 0) == ::getpid() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) check.Skip("this kernel has no 32-bit system calls");
}

int64_t Ioctl32(int fd, unsigned long command, uint32_t argument) {
  return Call32(Call::kIoctl, static_cast<uint32_t>(fd), static_cast<uint32_t>(command), argument);
}

void Ioctls(Check& check) {
  NeedsEmulation(check);
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const int fd = memory.fd.get();
  const LowMemory low(check, kMiB);
  constexpr size_t kArray = kPage;
  constexpr size_t kBytes = 16 * kPage;
  check.Returns("HMEM_INFO", Ioctl32(fd, HMEM_INFO, low.Address(0)), 0);
  check.That(std::memcmp(low.At<hmem_info>(0), &memory.info, sizeof(hmem_info)) == 0,
             "HMEM_INFO tells otherwise");
  *low.At<hmem_regions>(0) = {.regions = low.Address(kArray), .count = memory.info.region_count};
  check.Returns("HMEM_REGIONS", Ioctl32(fd, HMEM_REGIONS, low.Address(0)), 0);
  check.That(std::memcmp(low.At<hmem_region>(kArray), memory.regions.data(),
                         memory.regions.size() * sizeof(hmem_region)) == 0,
             "HMEM_REGIONS tells otherwise");
  *low.At<hmem_notes>(0) = {.buffer = low.Address(kArray), .bytes = 64};
  check.Returns("HMEM_NOTES", Ioctl32(fd, HMEM_NOTES, low.Address(0)), 0);
  check.That(low.At<hmem_notes>(0)->bytes == 64 &&
                 std::memcmp(low.At<std::byte>(kArray), vmcore.notes().data(), 64) == 0,
             "HMEM_NOTES tells otherwise");
  const PhysAddr at = memory.Middle(kMiB).start + 13;
  *low.At<hmem_range>(kArray) = {.phys = at.value, .bytes = 5000};
  *low.At<hmem_readv>(0) = {.ranges = low.Address(kArray),
                            .buffer = low.Address(kBytes),
                            .buffer_bytes = 5000,
                            .count = 1};
  check.Returns("HMEM_READV", Ioctl32(fd, HMEM_READV, low.Address(0)), 0);
  check.Equal("bytes done", low.At<hmem_range>(kArray)->done, 5000);
  ExpectBytes(check, "HMEM_READV", vmcore, at, {low.At<std::byte>(kBytes), 5000});
  // A pointer inside a struct has 64 bits, and all of them count.
  *low.At<hmem_regions>(0) = {.regions = low.Address(kArray) | uint64_t{1} << 63, .count = 1};
  check.Returns("a pointer with a bit too many", Ioctl32(fd, HMEM_REGIONS, low.Address(0)),
                -EFAULT);
  *low.At<hmem_regions>(0) = {.regions = low.Address(kArray), .count = 1, .flags = 1};
  check.Returns("unknown flags", Ioctl32(fd, HMEM_REGIONS, low.Address(0)), -EINVAL);
  check.Returns("an unknown command", Ioctl32(fd, _IO(HMEM_IOC_MAGIC, 0x9f), low.Address(0)),
                -ENOTTY);
  check.Returns("the null page", Ioctl32(fd, HMEM_INFO, 0), -EFAULT);
}

void Files(Check& check) {
  NeedsEmulation(check);
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const auto fd = static_cast<uint32_t>(memory.fd.get());
  const LowMemory low(check, kMiB);
  const PhysAddr at = memory.Big().end - 1000;
  check.Returns("pread64",
                Call32(Call::kPread64, fd, low.Address(0), 500, static_cast<uint32_t>(at.value),
                       static_cast<uint32_t>(at.value >> 32)),
                500);
  ExpectBytes(check, "pread64", vmcore, at, {low.At<std::byte>(0), 500});
  check.Returns("_llseek", Call32(Call::kLlseek, fd, 0, 0, low.Address(0), SEEK_DATA), 0);
  check.Equal("the first memory", *low.At<uint64_t>(0), memory.ram.front().start.value);
  const PhysAddr page = memory.Middle(kMiB).start;
  const int64_t mapped = Call32(Call::kMmap2, 0, kPage, PROT_READ, MAP_SHARED, fd,
                                static_cast<uint32_t>(page.value / kPage));
  check.Require(mapped < -4095 || mapped > 0, fmt::format("mmap2: {}", ErrnoName(mapped)));
  ExpectBytes(check, "mmap2", vmcore, page, {At(static_cast<uint32_t>(mapped)), kPage});
}

}  // namespace

std::span<const TestCase> CompatTests() {
  static constexpr TestCase kTests[] = {
      {"compat.ioctls", Ioctls},
      {"compat.files", Files},
  };
  return kTests;
}

}  // namespace hmem::device_test
