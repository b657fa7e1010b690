// SPDX-License-Identifier: GPL-2.0-or-later
// The system call that loads a crash kernel.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "dumptools/loader/kexec.h"

namespace hmem::fakes {

// Does what the test says and remembers what it was given.
class FakeKexec : public loader::Kexec {
 public:
  Status LoadCrashKernel(const std::string& kernel_path, std::span<const std::byte> initramfs,
                         const std::string& line) override {
    kernel = kernel_path;
    initramfs_bytes = initramfs.size();
    command_line = line;
    return on_load();
  }
  Status UnloadCrashKernel() override { return {}; }

  std::function<Status()> on_load = [] { return Status(); };
  std::string kernel;
  size_t initramfs_bytes = 0;
  std::string command_line;
};

}  // namespace hmem::fakes
