// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/kexec.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "hmem/base/fd.h"

namespace hmem::loader {
namespace {

Status FileLoad(int kernel_fd, int initramfs_fd, const std::string& command_line,
                unsigned long flags) {
  size_t length = command_line.empty() ? 0 : command_line.size() + 1;
  long status = ::syscall(SYS_kexec_file_load, kernel_fd, initramfs_fd, length,
                          command_line.empty() ? nullptr : command_line.c_str(), flags);
  if (status == 0) return {};
  int error = errno;
  std::string advice = KexecAdvice(
      error, (flags & KEXEC_FILE_ON_CRASH) != 0 ? KexecPlace::kReserved : KexecPlace::kAnywhere);
  return FailErrno(advice.empty() ? "kexec_file_load" : fmt::format("kexec_file_load ({})", advice),
                   error);
}

}  // namespace

std::string KexecAdvice(int errno_value, KexecPlace place) {
  switch (errno_value) {
    case EPERM:
      return "not root, a container or a security policy (seccomp, SELinux) that forbids it, kexec "
             "switched off until the next boot (kernel.kexec_load_disabled), or lockdown and no "
             "key "
             "for the signature of this image: the distribution's comes with Secure Boot";
    case ENOSYS:
      return "this kernel was built without CONFIG_KEXEC_FILE, or a container hides the call";
    case EKEYREJECTED:
    case ENOKEY:
    case ENODATA:
      return "the kernel image is not signed by a key this kernel trusts; take the distribution's "
             "signed kernel";
    case EADDRNOTAVAIL:
    case ENOMEM:
      return place == KexecPlace::kReserved ? "no place for it in the reserved memory"
                                            : "no free memory for it";
    case ENOEXEC:
      return "not a kernel image this kernel can load";
    case EBUSY:
      return "another kexec load is in progress";
    default:
      return "";
  }
}

Status SystemKexec::LoadCrashKernel(const std::string& kernel_path,
                                    std::span<const std::byte> initramfs,
                                    const std::string& command_line) {
  HMEM_ASSIGN(UniqueFd kernel, OpenFile(kernel_path, O_RDONLY));
  constexpr const char* kName = "hmem-capture-initramfs";
  UniqueFd memory(::memfd_create(kName, MFD_CLOEXEC));
  if (!memory.valid()) return FailErrno("memfd_create", errno);
  HMEM_TRY(WriteAll(memory.get(), initramfs, kName));
  return FileLoad(kernel.get(), memory.get(), command_line, KEXEC_FILE_ON_CRASH);
}

Status SystemKexec::UnloadCrashKernel() {
  return FileLoad(-1, -1, "", KEXEC_FILE_UNLOAD | KEXEC_FILE_ON_CRASH);
}

Status SystemRebootKexec::LoadKernel(const std::string& kernel_path, const std::string& initrd_path,
                                     const std::string& command_line) {
  HMEM_ASSIGN(UniqueFd kernel, OpenFile(kernel_path, O_RDONLY));
  if (initrd_path.empty()) return FileLoad(kernel.get(), -1, command_line, KEXEC_FILE_NO_INITRAMFS);
  HMEM_ASSIGN(UniqueFd initrd, OpenFile(initrd_path, O_RDONLY));
  return FileLoad(kernel.get(), initrd.get(), command_line, 0);
}

Status SystemRebootKexec::UnloadKernel() { return FileLoad(-1, -1, "", KEXEC_FILE_UNLOAD); }

Status SystemRebootKexec::StartThroughSystemd() {
  std::string program = "systemctl";
  std::string verb = "kexec";
  char* argv[] = {program.data(), verb.data(), nullptr};
  pid_t pid = 0;
  if (int error = ::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv, environ); error != 0)
    return FailErrno("systemctl kexec", error);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return FailErrno("systemctl kexec", errno);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Fail(ErrorCode::kIo,
              WIFEXITED(status)
                  ? fmt::format("systemctl kexec: exit status {}", WEXITSTATUS(status))
                  : fmt::format("systemctl kexec: killed by signal {}", WTERMSIG(status)));
}

Status SystemRebootKexec::StartNow() {
  ::sync();
  (void)::syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC,
                  nullptr);
  return FailErrno("reboot(LINUX_REBOOT_CMD_KEXEC)", errno);
}

}  // namespace hmem::loader
