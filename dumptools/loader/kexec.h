// SPDX-License-Identifier: GPL-2.0-or-later
// kexec_file_load(2) for the crash kernel.
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

// What to do about an errno of kexec_file_load; empty when the error text says it all.
std::string KexecAdvice(int errno_value);

}  // namespace hmem::loader
