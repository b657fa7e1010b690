// SPDX-License-Identifier: GPL-2.0-or-later
// The capture initramfs: /init (hmem-init), /bin/hmemdump, the plan, the identity, and the modules
// in load order.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "capture-kernel/plan/capture_plan.h"
#include "dumptools/loader/host.h"
#include "dumptools/loader/identity.h"
#include "dumptools/loader/module_options.h"
#include "hmem/base/result.h"

namespace hmem::loader {

// The static programs that go in, as installed.
constexpr std::string_view kHmemInitPath = "/usr/lib/hmem/hmem-init";
constexpr std::string_view kHmemdumpStaticPath = "/usr/lib/hmem/hmemdump";

struct InitramfsInput {
  plan::CapturePlan plan;  // its modules are set from the files
  // On the host, in load order.
  std::vector<std::string> module_files;
  std::vector<std::string> device_module_files;
  ModuleOptions module_options;  // of any modules; those of the files are taken
  Identity identity;
};

// A cpio archive. kNotFound, kIo: a program or module cannot be read. kInvalidArgument: a program
// is not a static executable.
Result<std::vector<std::byte>> BuildInitramfs(const Host& host, const InitramfsInput& input);

// The archive as gzip, which kernels with CONFIG_RD_GZIP unpack. While it unpacks, the kernel holds
// what was loaded and what comes out: that moment decides how little memory a stock kernel can do
// with. Other formats need megabytes to unpack (lz4: 8 MiB for its output). kLimit: no memory.
Result<std::vector<std::byte>> PackInitramfs(std::span<const std::byte> archive);

// kInvalidArgument naming the reason unless `program` is an ELF executable of this machine's word
// size without an interpreter: nothing else starts in an initramfs that has no libraries.
Status CheckStaticProgram(std::string_view path, std::span<const std::byte> program);

}  // namespace hmem::loader
