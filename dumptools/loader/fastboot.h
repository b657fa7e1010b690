// SPDX-License-Identifier: GPL-2.0-or-later
// A reboot through kexec: the running kernel loads the next one and starts it, without the firmware
// and the boot loader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dumptools/loader/host.h"
#include "dumptools/loader/kernel_image.h"
#include "dumptools/loader/kexec.h"
#include "dumptools/loader/readiness.h"
#include "hmem/base/result.h"

namespace hmem::loader {

struct FastbootRequest {
  std::string kernel;      // empty: the running kernel's image, /boot/vmlinuz-RELEASE
  std::string initrd;      // empty: the one that belongs to the image's release
  bool no_initrd = false;  // the kernel needs none
  // All of it. Nothing: the running kernel's without what belongs to its own boot, and `append`.
  std::optional<std::string> command_line;
  std::string append;
};

// Everything short of loading, found out without touching the machine.
struct FastbootPreparation {
  std::vector<CheckItem> checks;
  std::string kernel_path;  // links followed
  std::optional<KernelImage> kernel;
  std::string initrd_path;  // links followed; empty: none
  uint64_t initrd_bytes = 0;
  std::string command_line;

  // No check failed.
  bool Ready() const;
};

// Never fails as a whole: what is wrong is in `checks`.
FastbootPreparation PrepareFastboot(const Host& host, const FastbootRequest& request);

// Loads what was prepared and makes sure that the kernel says so. kInvalidArgument when it is not
// ready.
Status LoadFastboot(const Host& host, const FastbootPreparation& preparation, RebootKexec& kexec);

// "reboot": whether systemd runs here, which stops services and unmounts before it starts the
// loaded kernel. Where it does not, no program is known that would.
CheckItem CheckOrderlyReboot(const Host& host);

}  // namespace hmem::loader
