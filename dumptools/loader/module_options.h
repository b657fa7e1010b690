// SPDX-License-Identifier: GPL-2.0-or-later
// Parameters that this machine gives its modules: MODULE.PARAM=VALUE on the kernel command line and
// "options MODULE PARAM=VALUE" in modprobe.d(5). A driver may need them to bring a disk up.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "dumptools/loader/host.h"

namespace hmem::loader {

// Module, with '_' for '-', to what finit_module(2) takes. The command line comes last, as
// modprobe(8) has it.
using ModuleOptions = std::map<std::string, std::string, std::less<>>;

// What cannot be read gives no options.
ModuleOptions ReadModuleOptions(const Host& host);

}  // namespace hmem::loader
