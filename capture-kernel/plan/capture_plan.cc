// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/capture_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "capture-kernel/plan/key_value_text.h"

namespace hmem::plan {
namespace {

constexpr uint64_t kDumpBaseSeconds = 60;
constexpr uint64_t kDumpBytesPerSecond = 16 << 20;
constexpr uint64_t kDumpStages = 3;

// The field that a key of plain text or of a number fills; null when the key is another.
std::string* TextField(std::string_view key, CapturePlan* plan) {
  Target& target = plan->target;
  if (key == "target.name") return &target.name;
  if (key == "target.hardware_path") return &target.hardware_path;
  if (key == "target.fs_type") return &target.file_system.type;
  if (key == "target.fs_uuid") return &target.file_system.uuid;
  if (key == "target.directory") return &target.directory;
  if (key == "exclude") return &plan->exclude;
  if (key == "keep") return &plan->keep;
  return nullptr;
}

uint64_t* NumberField(std::string_view key, CapturePlan* plan, uint64_t* max) {
  Deadlines& deadlines = plan->deadlines;
  *max = kMaxDeadlineSeconds;
  if (key == "deadline.record") return &deadlines.record_s;
  if (key == "deadline.dump") return &deadlines.dump_s;
  if (key == "deadline.target") return &deadlines.target_s;
  if (key == "deadline.log") return &deadlines.log_s;
  if (key == "deadline.total") return &deadlines.total_s;
  *max = UINT64_MAX;
  if (key == "target.partition") return &plan->target.partition;
  if (key == "target.sectors") return &plan->target.sectors;
  if (key == "dump_cpus") return &plan->dump_cpus;
  return nullptr;
}

Module ParseModule(const std::string& value) {
  size_t blank = std::min(value.find(' '), value.size());
  return {value.substr(0, blank), value.substr(std::min(blank + 1, value.size()))};
}

void AppendModules(std::string_view key, const std::vector<Module>& modules, std::string& text) {
  for (const Module& module : modules) {
    text += fmt::format("{} = {}{}{}\n", key, module.path, module.options.empty() ? "" : " ",
                        module.options);
  }
}

Status Apply(const KeyValue& entry, CapturePlan* plan) {
  if (std::string* text = TextField(entry.key, plan)) {
    *text = entry.value;
    return {};
  }
  uint64_t max = 0;
  if (uint64_t* number = NumberField(entry.key, plan, &max)) {
    HMEM_ASSIGN(*number, ParseNumber(entry.value, 0, max));
    return {};
  }
  if (entry.key == "module" || entry.key == "device_module") {
    auto& modules = entry.key == "module" ? plan->modules : plan->device_modules;
    modules.push_back(ParseModule(entry.value));
    return {};
  }
  if (entry.key == "source") {
    HMEM_ASSIGN(plan->source, ParseSourceChoice(entry.value));
    return {};
  }
  if (entry.key == "final_action") {
    HMEM_ASSIGN(plan->final_action, ParseFinalAction(entry.value));
    return {};
  }
  if (entry.key == "target.kind") {
    if (entry.value != "path" && entry.value != "device") {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("\"{}\" is neither path nor device", entry.value));
    }
    plan->target.kind = entry.value == "path" ? Target::Kind::kPath : Target::Kind::kDevice;
    return {};
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("unknown key \"{}\"", entry.key));
}

Status CheckWhole(const CapturePlan& plan) {
  auto need = [](bool present, std::string_view key) -> Status {
    if (present) return {};
    return Fail(ErrorCode::kInvalidArgument, fmt::format("no \"{}\"", key));
  };
  HMEM_TRY(need(!plan.target.name.empty(), "target.name"));
  HMEM_TRY(need(!plan.target.hardware_path.empty(), "target.hardware_path"));
  if (plan.target.kind == Target::Kind::kPath) {
    HMEM_TRY(need(!plan.target.file_system.type.empty(), "target.fs_type"));
    HMEM_TRY(need(!plan.target.file_system.uuid.empty(), "target.fs_uuid"));
    HMEM_TRY(need(plan.target.directory.starts_with("/"), "target.directory"));
  }
  return {};
}

}  // namespace

std::string_view FinalActionName(FinalAction action) {
  switch (action) {
    case FinalAction::kReboot:
      return "reboot";
    case FinalAction::kPoweroff:
      return "poweroff";
    case FinalAction::kHalt:
      return "halt";
  }
  return "reboot";
}

Result<FinalAction> ParseFinalAction(std::string_view word) {
  for (FinalAction action : {FinalAction::kReboot, FinalAction::kPoweroff, FinalAction::kHalt}) {
    if (word == FinalActionName(action)) return action;
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is none of reboot, poweroff, halt", word));
}

std::string_view SourceChoiceName(SourceChoice choice) {
  switch (choice) {
    case SourceChoice::kAuto:
      return "auto";
    case SourceChoice::kHmem:
      return "hmem";
    case SourceChoice::kVmcore:
      return "vmcore";
  }
  return "auto";
}

Result<SourceChoice> ParseSourceChoice(std::string_view word) {
  for (SourceChoice choice : {SourceChoice::kAuto, SourceChoice::kHmem, SourceChoice::kVmcore}) {
    if (word == SourceChoiceName(choice)) return choice;
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is none of auto, hmem, vmcore", word));
}

uint64_t CapturePlan::DumpDeadline(uint64_t memory_bytes) const {
  if (deadlines.dump_s != 0) return deadlines.dump_s;
  return std::min(kDumpBaseSeconds + memory_bytes / kDumpBytesPerSecond, kMaxDeadlineSeconds);
}

uint64_t CapturePlan::TotalDeadline(uint64_t memory_bytes) const {
  if (deadlines.total_s != 0) return deadlines.total_s;
  // The record may be tried twice, before the dump and after it.
  uint64_t sum = deadlines.target_s + 2 * deadlines.record_s +
                 kDumpStages * DumpDeadline(memory_bytes) + deadlines.log_s;
  return std::min(sum, kMaxDeadlineSeconds);
}

std::string FormatCapturePlan(const CapturePlan& plan) {
  const Target& target = plan.target;
  bool path = target.kind == Target::Kind::kPath;
  std::string text = "# Made by kdump-arm for hmem-init; see hmem-init(8).\n";
  text += fmt::format(
      "target.kind = {}\ntarget.name = {}\ntarget.hardware_path = {}\ntarget.partition = "
      "{}\ntarget.sectors = {}\n",
      path ? "path" : "device", target.name, target.hardware_path, target.partition,
      target.sectors);
  if (path) {
    text += fmt::format("target.fs_type = {}\ntarget.fs_uuid = {}\ntarget.directory = {}\n",
                        target.file_system.type, target.file_system.uuid, target.directory);
  }
  text += fmt::format("source = {}\n", SourceChoiceName(plan.source));
  AppendModules("device_module", plan.device_modules, text);
  AppendModules("module", plan.modules, text);
  text += fmt::format(
      "deadline.record = {}\ndeadline.dump = {}\ndeadline.target = {}\ndeadline.log = "
      "{}\ndeadline.total = {}\n",
      plan.deadlines.record_s, plan.deadlines.dump_s, plan.deadlines.target_s, plan.deadlines.log_s,
      plan.deadlines.total_s);
  text += fmt::format("final_action = {}\ndump_cpus = {}\nexclude = {}\n",
                      FinalActionName(plan.final_action), plan.dump_cpus, plan.exclude);
  if (!plan.keep.empty()) text += fmt::format("keep = {}\n", plan.keep);
  return text;
}

Result<CapturePlan> ParseCapturePlan(std::string_view text, std::string_view name) {
  HMEM_ASSIGN(auto entries, ParseKeyValueText(text, name));
  CapturePlan plan;
  std::set<std::string> seen;
  for (const KeyValue& entry : entries) {
    bool repeats = entry.key == "module" || entry.key == "device_module";
    if (!repeats && !seen.insert(entry.key).second) {
      return std::unexpected(
          EntryError(name, entry, fmt::format("\"{}\" a second time", entry.key)));
    }
    if (auto applied = Apply(entry, &plan); !applied) {
      return std::unexpected(EntryError(name, entry, applied.error().text()));
    }
  }
  HMEM_TRY(Within(name, CheckWhole(plan)));
  return plan;
}

}  // namespace hmem::plan
