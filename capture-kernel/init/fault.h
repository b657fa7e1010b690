// SPDX-License-Identifier: GPL-2.0-or-later
// Faults that tests inject into the children of hmem-init. Two implementations, chosen when a
// program is linked: no_fault.cc for what is installed, fault.cc for the target "faults" of preset
// capture.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace hmem::init {

// Place -> "abort", "hang", "hog" or "pause" (three seconds). A place is a child, which is a stage
// (ladder.h), "mount", "sync" or "cpu"; or process 1 behind a line: "record-said", "dump-said".
using Faults = std::map<std::string, std::string, std::less<>>;

// Of the kernel command line of this boot. Always empty in what is installed.
Faults FaultsToInject();

// Does what is asked for this place, or returns. Always returns at once in what is installed.
void ObeyFault(const Faults& faults, std::string_view place);

// The last word hmem.fault=STAGE:MODE,... of a kernel command line: "a hmem.fault=record:abort" ->
// {record: abort}. What is not STAGE:MODE is left out. In fault.cc only.
Faults ParseFaults(std::string_view command_line);

}  // namespace hmem::init
