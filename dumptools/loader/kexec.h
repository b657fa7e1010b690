// SPDX-License-Identifier: GPL-2.0-or-later
// kexec_file_load(2): the crash kernel, and the kernel that a reboot through kexec starts.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "hmem/base/result.h"

namespace hmem::loader {

class Kexec {
 public:
  virtual ~Kexec() = default;
  // Replaces a crash kernel that is loaded already. kIo with the errno of the system call and what
  // it means.
  virtual Status LoadCrashKernel(const std::string& kernel_path,
                                 std::span<const std::byte> initramfs,
                                 const std::string& command_line) = 0;
  virtual Status UnloadCrashKernel() = 0;
};

class SystemKexec : public Kexec {
 public:
  Status LoadCrashKernel(const std::string& kernel_path, std::span<const std::byte> initramfs,
                         const std::string& command_line) override;
  Status UnloadCrashKernel() override;
};

// The kernel of a normal reboot. One that is loaded already stays when loading another fails.
class RebootKexec {
 public:
  virtual ~RebootKexec() = default;
  // Without an initrd when `initrd_path` is empty. kIo as above.
  virtual Status LoadKernel(const std::string& kernel_path, const std::string& initrd_path,
                            const std::string& command_line) = 0;
  virtual Status UnloadKernel() = 0;
  // Asks systemd to stop every service, unmount everything and start the loaded kernel; returns
  // when systemd has begun to.
  virtual Status StartThroughSystemd() = 0;
  // Writes back what is dirty and starts the loaded kernel; returns only when that failed.
  virtual Status StartNow() = 0;
};

class SystemRebootKexec : public RebootKexec {
 public:
  Status LoadKernel(const std::string& kernel_path, const std::string& initrd_path,
                    const std::string& command_line) override;
  Status UnloadKernel() override;
  Status StartThroughSystemd() override;
  Status StartNow() override;
};

// Where the image goes: into the memory reserved for it, or anywhere.
enum class KexecPlace { kReserved, kAnywhere };

// What to do about an errno of kexec_file_load; empty when the error text says it all.
std::string KexecAdvice(int errno_value, KexecPlace place);

}  // namespace hmem::loader
