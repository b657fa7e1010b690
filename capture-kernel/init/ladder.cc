// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/ladder.h"

namespace hmem::init {

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kRecord:
      return "record";
    case Stage::kFull:
      return "full";
    case Stage::kSingle:
      return "single";
    case Stage::kAddress:
      return "address";
    case Stage::kRecordAgain:
      return "record-again";
    case Stage::kLog:
      return "log";
  }
  return "unknown";
}

LadderResult RunLadder(StageRunner& runner, bool target_ready) {
  LadderResult result;
  if (target_ready) {
    bool target_lost = runner.Run(Stage::kRecord).target_lost;
    for (Stage stage : {Stage::kFull, Stage::kSingle, Stage::kAddress}) {
      if (target_lost || result.dump_durable) break;
      StageOutcome outcome = runner.Run(stage);
      target_lost = outcome.target_lost;
      result.dump_durable = outcome.done;
    }
    // A dump stage builds the record when there is none yet.
    result.record_durable = runner.RecordDurable();
    if (!target_lost && !result.dump_durable && !result.record_durable) {
      runner.Run(Stage::kRecordAgain);
      result.record_durable = runner.RecordDurable();
    }
  }
  if (!result.dump_durable && !result.record_durable)
    result.log_shown = runner.Run(Stage::kLog).done;
  return result;
}

}  // namespace hmem::init
