// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/stage_command.h"

#include <fmt/format.h>

#include "capture-kernel/plan/capture_plan.h"

namespace hmem::init {
namespace {

// The newest lines: a serial line of 9600 baud takes no more in the minute there is for it.
constexpr std::string_view kLogBytes = "48K";

}  // namespace

ChildCommand StageCommand(Stage stage, const StageDestination& destination,
                          std::string_view fault) {
  ChildCommand command;
  auto add = [&](std::initializer_list<std::string_view> words) {
    command.argv.insert(command.argv.end(), words.begin(), words.end());
  };
  const bool dumps = stage == Stage::kFull || stage == Stage::kSingle || stage == Stage::kAddress;
  add({plan::kHmemdumpPath});
  switch (stage) {
    case Stage::kRecord:
    case Stage::kRecordAgain:
      add({"--first-failure-only"});
      break;
    case Stage::kFull:
      if (destination.cpus > 1) add({"--jobs", fmt::format("{}", destination.cpus)});
      break;
    case Stage::kSingle:
      add({"--jobs", "0", "--compress", "none"});
      break;
    case Stage::kAddress:
      // Nothing of the old kernel is followed but its memory map: whatever was in the others' way.
      add({"--jobs", "0", "--compress", "none", "--no-record", "--order", "address",
           "--no-classify"});
      break;
    case Stage::kLog:
      add({"--log-only", "--max-bytes", kLogBytes});
      break;
  }
  if (stage == Stage::kFull || stage == Stage::kSingle) {
    add({"--exclude", destination.exclude});
    for (size_t at = 0; at < destination.keep.size();) {
      std::string word = destination.keep.substr(at, destination.keep.find(' ', at) - at);
      at += word.size() + 1;
      if (!word.empty()) add({"--keep", word});
    }
  }
  if (stage != Stage::kLog) {
    if (destination.device) add({"--overwrite-dump"});
    if (dumps) add({"--stats"});
    if (dumps && destination.end_after_s != 0)
      add({"--deadline", fmt::format("{}", destination.end_after_s)});
    // Its progress would get into the lines of others on the console.
    add({"--progress", "none", "--identity", destination.identity});
  }
  if (!destination.source.empty()) add({destination.source});
  if (stage != Stage::kLog) add({destination.path});
  command.environment.push_back("PATH=/bin");
  if (!fault.empty()) command.environment.push_back(fmt::format("HMEM_FAULT={}", fault));
  return command;
}

}  // namespace hmem::init
