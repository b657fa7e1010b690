// SPDX-License-Identifier: GPL-2.0-or-later
// Faults that tests inject into the children of hmem-init. Two implementations, chosen when a
// program is linked: no_fault.cc for what is installed, fault.cc for the target "faults" of preset
// capture.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace hmem::init {

// Child -> "abort", "hang" or "hog". A child is a stage (ladder.h) or "mount" or "sync".
using Faults = std::map<std::string, std::string, std::less<>>;

// Of the kernel command line of this boot. Always empty in what is installed.
Faults FaultsToInject();

// In a child: does what is asked for it, or returns. Always returns in what is installed.
void ObeyFault(const Faults& faults, std::string_view child);

// The last word hmem.fault=STAGE:MODE,... of a kernel command line: "a hmem.fault=record:abort" ->
// {record: abort}. What is not STAGE:MODE is left out. In fault.cc only.
Faults ParseFaults(std::string_view command_line);

}  // namespace hmem::init
