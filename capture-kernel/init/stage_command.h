// SPDX-License-Identifier: GPL-2.0-or-later
// How hmemdump is called at each stage of the ladder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "capture-kernel/init/child.h"
#include "capture-kernel/init/ladder.h"
#include "capture-kernel/plan/capture_plan.h"

namespace hmem::init {

struct StageDestination {
  // SOURCE of hmemdump; empty: the first that it can read.
  std::string source;
  // "<directory>/dump.hmem" or "/dev/vdb"; the record stands beside the first, in front on the
  // second.
  std::string path;
  bool device = false;  // a raw block device, whose content may go
  unsigned cpus = 1;    // that the capture kernel has; the full dump uses them all
  std::string identity{plan::kIdentityConfPath};
  std::string exclude = "zero";  // hmemdump's -x
  std::string keep;              // its --keep, with blanks between
  // A dump that has not got further by then ends by itself, with what it has; 0: no limit.
  uint64_t end_after_s = 0;
};

// `fault` is what hmemdump is to do to itself (tests); empty: nothing.
ChildCommand StageCommand(Stage stage, const StageDestination& destination, std::string_view fault);

}  // namespace hmem::init
