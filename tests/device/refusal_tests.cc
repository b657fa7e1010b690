// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>

#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

constexpr uid_t kNobody = 65534;

// Exactly these capabilities.
void SetCapabilities(Check& check, uint64_t wanted) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; ++half)
    data[half].effective = data[half].permitted = static_cast<uint32_t>(wanted >> (32 * half));
  check.Require(::syscall(SYS_capset, &header, data) == 0, "no capset");
}

constexpr uint64_t Bit(int capability) { return uint64_t{1} << capability; }
constexpr uint64_t kAll = Bit(CAP_LAST_CAP + 1) - 1;

void BecomeNobody(Check& check) {
  check.Require(::prctl(PR_SET_KEEPCAPS, 1) == 0 && ::setresuid(kNobody, kNobody, kNobody) == 0,
                "no setuid");
}

void WithoutCapability(Check& check) {
  SetCapabilities(check, kAll & ~Bit(CAP_SYS_RAWIO));
  check.Returns("root without CAP_SYS_RAWIO", Open(kDevice, O_RDONLY), -EPERM);
  SetCapabilities(check, Bit(CAP_SYS_ADMIN));
  check.Returns("root with CAP_SYS_ADMIN alone", Open(kDevice, O_RDONLY), -EPERM);
  SetCapabilities(check, 0);
  check.Returns("root without capabilities", Open(kDevice, O_RDONLY), -EPERM);
}

void OnlyTheCapability(Check& check) {
  BecomeNobody(check);
  SetCapabilities(check, Bit(CAP_SYS_RAWIO));
  check.Returns("someone with CAP_SYS_RAWIO, but the file is root's", Open(kDevice, O_RDONLY),
                -EACCES);
}

void CapabilityAndFile(Check& check) {
  BecomeNobody(check);
  SetCapabilities(check, Bit(CAP_SYS_RAWIO) | Bit(CAP_DAC_READ_SEARCH));
  const int64_t opened = Open(kDevice, O_RDONLY);
  check.That(opened >= 0,
             fmt::format("someone with CAP_SYS_RAWIO who may read it: {}", ErrnoName(opened)));
}

// Root of a user namespace of his own is nobody here.
void OtherNamespace(Check& check) {
  if (::unshare(CLONE_NEWUSER) != 0)
    check.Skip(fmt::format("no user namespaces: {}", std::strerror(errno)));
  const UniqueFd map(static_cast<int>(Open("/proc/self/uid_map", O_WRONLY)));
  check.Require(::write(map.get(), "0 0 1", 5) == 5, "no uid_map");
  check.Returns("root of a user namespace", Open(kDevice, O_RDONLY), -EPERM);
}

void ForWriting(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  for (const int flags : {O_WRONLY, O_RDWR, O_RDWR | O_NONBLOCK, O_WRONLY | O_APPEND,
                          O_RDWR | O_TRUNC, O_RDWR | O_DIRECT}) {
    const int64_t opened = Open(kDevice, flags);
    // Not every device can do O_DIRECT, and that is said first.
    check.Refuses(fmt::format("open with {:#o}", flags), opened,
                  (flags & O_DIRECT) != 0 ? std::initializer_list<int>{EACCES, EINVAL}
                                          : std::initializer_list<int>{EACCES});
  }
  const std::string again = fmt::format("/proc/self/fd/{}", fd);
  check.Returns("opened again through /proc", Open(again.c_str(), O_RDWR), -EACCES);
  struct stat status = {};
  check.Require(::fstat(fd, &status) == 0, "no fstat");
  check.Require(::mknod("/hmem-copy", S_IFCHR | 0666, status.st_rdev) == 0, "no mknod");
  check.Returns("through another node", Open("/hmem-copy", O_RDWR), -EACCES);
  ::unlink("/hmem-copy");
  const uint64_t at = memory.Big().start.value;
  check.Returns("pwrite", ErrnoOr(::pwrite(fd, "x", 1, static_cast<off_t>(at))), -EBADF);
  check.Returns("write", ErrnoOr(::write(fd, "x", 1)), -EBADF);
  check.Refuses("ftruncate", ErrnoOr(::ftruncate(fd, 0)), {EINVAL, EBADF});
  check.Refuses("fallocate",
                ErrnoOr(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)),
                {EBADF});
}

void Node(Check& check) {
  struct stat status = {};
  check.Require(::stat(kDevice, &status) == 0, "no device");
  check.That(S_ISCHR(status.st_mode), "not a character device");
  check.Equal("mode", status.st_mode & 07777, 0400);
  check.Equal("owner", status.st_uid, 0);
}

// Writes what the kernel shall lock down; there is no way back.
int64_t LockDown(const char* level) {
  ::mount("securityfs", "/sys/kernel/security", "securityfs", 0, nullptr);
  const UniqueFd file(static_cast<int>(Open("/sys/kernel/security/lockdown", O_WRONLY)));
  if (!file.valid()) return -ENOENT;
  return ErrnoOr(::write(file.get(), level, std::strlen(level)));
}

void UnderIntegrity(Check& check) {
  const int64_t locked = LockDown("integrity");
  if (locked == -ENOENT) check.Skip("this kernel has no lockdown");
  check.Require(locked > 0, fmt::format("lockdown: {}", ErrnoName(locked)));
  const OldMemory memory(check);
  std::byte byte{};
  check.Returns("reading under integrity",
                Pread(memory.fd.get(), &byte, 1, memory.Big().start.value), 1);
  check.Returns("mapping under integrity",
                Mapping(memory.fd.get(), memory.Middle(kMiB).start.value, kPage).error(), 0);
}

void UnderConfidentiality(Check& check) {
  const int64_t locked = LockDown("confidentiality");
  if (locked == -ENOENT) check.Skip("this kernel has no lockdown");
  check.Require(locked > 0, fmt::format("lockdown: {}", ErrnoName(locked)));
  check.Returns("opening under confidentiality", Open(kDevice, O_RDONLY), -EPERM);
  check.Returns("for writing", Open(kDevice, O_RDWR), -EACCES);
}

}  // namespace

std::span<const TestCase> RefusalTests() {
  static constexpr TestCase kTests[] = {
      {"open.node", Node},
      {"open.without-capability", WithoutCapability},
      {"open.only-the-capability", OnlyTheCapability},
      {"open.capability-and-file", CapabilityAndFile},
      {"open.other-namespace", OtherNamespace},
      {"open.for-writing", ForWriting},
  };
  return kTests;
}

std::span<const TestCase> LockdownTests() {
  static constexpr TestCase kTests[] = {
      {"lockdown.integrity", UnderIntegrity},
      {"lockdown.confidentiality", UnderConfidentiality},
  };
  return kTests;
}

}  // namespace hmem::device_test
