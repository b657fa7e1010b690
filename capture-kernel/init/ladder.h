// SPDX-License-Identifier: GPL-2.0-or-later
// What is tried, in which order, and when to stop: the record first, then the dump in ever simpler
// ways, then the record once more, then the log on the console. Knows nothing of processes and
// disks.
#pragma once

#include <string>
#include <string_view>

namespace hmem::init {

enum class Stage { kRecord, kFull, kSingle, kAddress, kRecordAgain, kLog };

// "record", "full", "single", "address", "record-again", "log": in messages and in hmem.fault=.
std::string_view StageName(Stage stage);

struct StageOutcome {
  bool done = false;  // what the stage makes is there
  // No other stage may write to the target: a child that cannot be ended may still do, or another
  // attempt would write over what this one has left.
  bool target_lost = false;
  std::string reason;  // why not; of a stage that was done with losses: what was lost
};

class StageRunner {
 public:
  virtual ~StageRunner() = default;
  // A stage that fails leaves the way free for the next: partial files are put aside.
  virtual StageOutcome Run(Stage stage) = 0;
  // Whether the record is on the target, by whichever stage.
  virtual bool RecordDurable() = 0;
};

struct LadderResult {
  bool record_durable = false;
  bool dump_durable = false;
  bool log_shown = false;
};

// Without a target, or when it is lost before a record is durable, only the log is left.
LadderResult RunLadder(StageRunner& runner, bool target_ready);

}  // namespace hmem::init
