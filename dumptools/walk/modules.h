// SPDX-License-Identifier: GPL-2.0-or-later
// Loaded modules (include/linux/module.h), newest first as in /proc/modules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dumptools/walk/kernel.h"

namespace hmem::walk {

struct Module {
  VirtAddr address;  // struct module
  std::string name;
  uint64_t size_bytes = 0;  // of what stays after init, as /proc/modules shows
  std::vector<VirtRange> text;
  std::vector<VirtRange> memory;  // all core sections: text, data, rodata
  uint64_t taints = 0;            // bit mask
  std::string taint_letters;      // "OE", as /proc/modules shows
  std::string state;              // "live", "coming", "going", "unformed"
  std::string version;            // MODULE_VERSION, often empty
  std::string build_id;           // hex; empty: not recorded
  std::vector<std::string> used_by;
};

// A damaged list yields what could be read and findings. At most 65,535 modules.
Result<std::vector<Module>> ReadModules(const Kernel& kernel, Findings& findings);

// Letters of the kernel's global taint mask (kernel/panic.c taint_flags): 'P','F','S',...; set ones
// only.
std::string TaintLetters(uint64_t mask);

}  // namespace hmem::walk
