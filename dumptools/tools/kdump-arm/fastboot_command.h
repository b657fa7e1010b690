// SPDX-License-Identifier: GPL-2.0-or-later
// kdump-arm fastboot load|exec|unload|status: a reboot through kexec.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "dumptools/loader/fastboot.h"
#include "dumptools/loader/host.h"
#include "dumptools/loader/kexec.h"

namespace hmem::arm {

struct FastbootReply {
  int exit = 0;
  std::string answer;  // for stdout
};

class FastbootCommand {
 public:
  // Adds the verb to `app`, which must outlive this.
  explicit FastbootCommand(CLI::App& app);
  FastbootCommand(const FastbootCommand&) = delete;
  FastbootCommand& operator=(const FastbootCommand&) = delete;

  bool parsed() const { return fastboot_->parsed(); }
  // `talk` takes lines for stderr, at once: the machine may be gone before this returns.
  FastbootReply Run(const loader::Host& host, loader::RebootKexec& kexec, int64_t now_s,
                    const std::function<void(const std::string&)>& talk) const;

 private:
  CLI::App* fastboot_;
  CLI::App* load_;
  CLI::App* exec_;
  CLI::App* unload_;
  CLI::App* status_;
  loader::FastbootRequest request_;
  std::string command_line_;
  CLI::Option* command_line_given_;
  bool reuse_ = false;
  bool now_ = false;
  bool json_ = false;
};

}  // namespace hmem::arm
