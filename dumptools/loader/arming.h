// SPDX-License-Identifier: GPL-2.0-or-later
// Arming: from a configuration to a loaded crash kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dumptools/loader/config.h"
#include "dumptools/loader/footprint.h"
#include "dumptools/loader/host.h"
#include "dumptools/loader/identity.h"
#include "dumptools/loader/kernel_image.h"
#include "dumptools/loader/kexec.h"
#include "dumptools/loader/readiness.h"
#include "dumptools/loader/target_resolver.h"
#include "hmem/base/result.h"

namespace hmem::loader {

// Everything short of loading, made without touching the machine.
struct Preparation {
  std::vector<CheckItem> checks;
  std::string kernel_path;
  std::optional<KernelImage> kernel;
  std::optional<ResolvedTarget> target;
  std::vector<std::string> module_files;         // on the host, in load order
  std::vector<std::string> device_module_files;  // hmem.ko, where the capture kernel needs it
  // What the old kernel's memory will be read from: "/dev/hmem", "/proc/vmcore". Empty: not known.
  std::string source;
  Identity identity;
  std::string command_line;
  std::vector<std::byte> initramfs;  // as it is loaded; empty when a check before it failed
  uint64_t initramfs_unpacked_bytes = 0;
  Footprint footprint;  // usual sizes where a check before it failed

  // No check failed.
  bool Ready() const;
};

// Never fails as a whole: what is wrong is in `checks`, each thing by itself as far as they can be
// told apart.
Preparation Prepare(const Host& host, const Config& config);

// What to do when loading what passed every check failed with this errno; empty when the error's
// own text says it.
std::string LoadAdvice(const Host& host, const Preparation& preparation, int errno_value);

// Loads what was prepared and makes sure that the kernel says so. kInvalidArgument when it is not
// ready.
Status Load(const Host& host, const Preparation& preparation, Kexec& kexec);

}  // namespace hmem::loader
