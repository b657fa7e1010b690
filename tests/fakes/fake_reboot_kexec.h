// SPDX-License-Identifier: GPL-2.0-or-later
// The system calls and the program that a reboot through kexec takes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dumptools/loader/kexec.h"

namespace hmem::fakes {

// Does what the test says and remembers what was asked of it.
class FakeRebootKexec : public loader::RebootKexec {
 public:
  Status LoadKernel(const std::string& kernel_path, const std::string& initrd_path,
                    const std::string& line) override {
    calls.push_back("load");
    kernel = kernel_path;
    initrd = initrd_path;
    command_line = line;
    return on_load();
  }
  Status UnloadKernel() override {
    calls.push_back("unload");
    return result;
  }
  Status StartThroughSystemd() override {
    calls.push_back("systemd");
    return result;
  }
  Status StartNow() override {
    calls.push_back("now");
    return result;
  }

  std::function<Status()> on_load = [] { return Status(); };
  Status result;
  std::vector<std::string> calls;
  std::string kernel;
  std::string initrd;
  std::string command_line;
};

}  // namespace hmem::fakes
