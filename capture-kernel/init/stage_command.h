// SPDX-License-Identifier: GPL-2.0-or-later
// How hmemdump is called at each stage of the ladder.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "capture-kernel/init/child.h"
#include "capture-kernel/init/ladder.h"
#include "capture-kernel/plan/capture_plan.h"

namespace hmem::init {

struct StageDestination {
  // "<directory>/dump.hmem" or "/dev/vdb"; the record stands beside the first, in front on the
  // second.
  std::string path;
  bool device = false;  // a raw block device, whose content may go
  unsigned cpus = 1;    // that the capture kernel has; the full dump uses them all
  std::string identity{plan::kIdentityConfPath};
};

// `fault` is what hmemdump is to do to itself (tests); empty: nothing.
ChildCommand StageCommand(Stage stage, const StageDestination& destination, std::string_view fault);

// "record:abort,full:hang" -> {record: abort, full: hang}. Words that are not STAGE:MODE are left
// out.
std::map<std::string, std::string, std::less<>> ParseFaults(std::string_view text);

// The value of the last word "key=..." of a kernel command line; empty when there is none.
std::string CommandLineWord(std::string_view command_line, std::string_view key);

}  // namespace hmem::init
