// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/stage_command.h"

#include <fmt/format.h>

#include "capture-kernel/plan/capture_plan.h"

namespace hmem::init {
namespace {

constexpr std::string_view kSource = "/proc/vmcore";

// Takes the text up to `separator` off the front of `rest`.
std::string_view Take(std::string_view* rest, char separator) {
  std::string_view word = rest->substr(0, rest->find(separator));
  rest->remove_prefix(std::min(word.size() + 1, rest->size()));
  return word;
}

}  // namespace

ChildCommand StageCommand(Stage stage, const StageDestination& destination,
                          std::string_view fault) {
  ChildCommand command;
  auto add = [&](std::initializer_list<std::string_view> words) {
    command.argv.insert(command.argv.end(), words.begin(), words.end());
  };
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
      add({"--jobs", "1", "--compress", "none"});
      break;
    case Stage::kAddress:
      add({"--jobs", "1", "--compress", "none", "--order", "address"});
      break;
    case Stage::kLog:
      add({"--log-only", kSource});
      break;
  }
  if (stage != Stage::kLog) {
    if (destination.device) add({"--overwrite-device"});
    // Its progress would get into the lines of others on the console.
    add({"--progress", "none", "--identity", destination.identity, kSource, destination.path});
  }
  command.environment.push_back("PATH=/bin");
  if (!fault.empty()) command.environment.push_back(fmt::format("HMEM_FAULT={}", fault));
  return command;
}

std::map<std::string, std::string, std::less<>> ParseFaults(std::string_view text) {
  std::map<std::string, std::string, std::less<>> faults;
  while (!text.empty()) {
    std::string_view word = Take(&text, ',');
    size_t colon = word.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == word.size()) continue;
    faults.insert_or_assign(std::string(word.substr(0, colon)),
                            std::string(word.substr(colon + 1)));
  }
  return faults;
}

std::string CommandLineWord(std::string_view command_line, std::string_view key) {
  std::string value;
  while (!command_line.empty()) {
    std::string_view word = Take(&command_line, ' ');
    while (!word.empty() && word.back() == '\n') word.remove_suffix(1);
    if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=') {
      value = word.substr(key.size() + 1);
    }
  }
  return value;
}

}  // namespace hmem::init
