// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/armed_state.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "dumptools/loader/reservation.h"
#include "dumptools/loader/system_ram.h"
#include "dumptools/tools/kdump-arm/state_file.h"

namespace hmem::arm {
namespace {

constexpr uint64_t kMiB = 1 << 20;

Json ToJson(const ArmedState& state) {
  return {{"arm_id", state.arm_id},
          {"host_id", state.host_id},
          {"kernel_release", state.kernel_release},
          {"kernel_path", state.kernel_path},
          {"kernel_bytes", state.kernel_bytes},
          {"kernel_mtime_s", state.kernel_mtime_s},
          {"target", state.target},
          {"target_device", state.target_device},
          {"source", state.source},
          {"command_line", state.command_line},
          {"initramfs_bytes", state.initramfs_bytes},
          {"armed_at_s", state.armed_at_s},
          {"system_ram_bytes", state.system_ram_bytes}};
}

Result<ArmedState> FromJson(const Json& json) {
  ArmedState state;
  state.arm_id = TextOf(json, "arm_id");
  state.host_id = TextOf(json, "host_id");
  state.kernel_release = TextOf(json, "kernel_release");
  state.kernel_path = TextOf(json, "kernel_path");
  state.kernel_bytes = static_cast<uint64_t>(NumberOf(json, "kernel_bytes"));
  state.kernel_mtime_s = NumberOf(json, "kernel_mtime_s");
  state.target = TextOf(json, "target");
  state.target_device = TextOf(json, "target_device");
  state.source = TextOf(json, "source");
  state.command_line = TextOf(json, "command_line");
  state.initramfs_bytes = static_cast<uint64_t>(NumberOf(json, "initramfs_bytes"));
  state.armed_at_s = NumberOf(json, "armed_at_s");
  state.system_ram_bytes = static_cast<uint64_t>(NumberOf(json, "system_ram_bytes"));
  if (state.arm_id.empty())
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: no arm_id", kStatePath));
  return state;
}

// What can be seen from outside; the loaded image itself cannot be read back.
std::vector<std::string> ChangesSince(const loader::Host& host, const ArmedState& state) {
  std::vector<std::string> changes;
  if (state.kernel_mtime_s != 0) {
    struct stat st;
    if (::stat(host.At(state.kernel_path).c_str(), &st) != 0) {
      changes.push_back(
          fmt::format("{} is not there any more; the loaded image still works", state.kernel_path));
    } else if (static_cast<uint64_t>(st.st_size) != state.kernel_bytes ||
               st.st_mtime != state.kernel_mtime_s) {
      changes.push_back(
          fmt::format("{} was replaced; the image before it is loaded until kdump-arm is run again",
                      state.kernel_path));
    }
  }
  if (!host.Exists(state.target_device)) {
    changes.push_back(fmt::format("{} is not there; run kdump-arm check", state.target_device));
  } else if (!host.Exists(state.target)) {
    changes.push_back(fmt::format("{} is not there; run kdump-arm check", state.target));
  }
  uint64_t ram = loader::SystemRamBytes(host);
  if (ram != 0 && state.system_ram_bytes != 0 && ram != state.system_ram_bytes &&
      !loader::FollowsMemoryHotplug(host)) {
    changes.push_back(fmt::format(
        "memory was {} MiB and is {} MiB; the loaded image does not know of the change until "
        "kdump-arm is run again",
        state.system_ram_bytes / kMiB, ram / kMiB));
  }
  return changes;
}

}  // namespace

ArmedState StateOf(const loader::Host& host, const loader::Preparation& preparation,
                   int64_t now_s) {
  ArmedState state;
  state.arm_id = preparation.identity.arm_id;
  state.host_id = preparation.identity.host_id;
  state.kernel_path = preparation.kernel_path;
  struct stat st;
  if (::stat(host.At(state.kernel_path).c_str(), &st) == 0) {
    state.kernel_bytes = static_cast<uint64_t>(st.st_size);
    state.kernel_mtime_s = st.st_mtime;
  }
  if (preparation.kernel) state.kernel_release = preparation.kernel->release;
  if (preparation.target) {
    state.target = preparation.target->target.name;
    state.target_device = preparation.target->device_node;
  }
  state.source = preparation.source;
  state.command_line = preparation.command_line;
  state.initramfs_bytes = preparation.initramfs.size();
  state.armed_at_s = now_s;
  state.system_ram_bytes = loader::SystemRamBytes(host);
  return state;
}

Status SaveState(const loader::Host& host, const ArmedState& state) {
  return SaveStateFile(host, kStatePath, ToJson(state));
}

Result<std::optional<ArmedState>> LoadState(const loader::Host& host) {
  if (!host.Exists(kStatePath)) return std::nullopt;
  HMEM_ASSIGN(Json json, ReadStateFile(host, kStatePath));
  HMEM_ASSIGN(ArmedState state, FromJson(json));
  return state;
}

Status RemoveState(const loader::Host& host) { return RemoveStateFile(host, kStatePath); }

Result<ArmStatus> ReadStatus(const loader::Host& host) {
  ArmStatus status;
  HMEM_ASSIGN(status.crash_kernel_loaded, loader::CrashKernelLoaded(host));
  HMEM_ASSIGN(status.reserved_bytes, loader::ReservedBytes(host));
  if (status.crash_kernel_loaded) {
    HMEM_ASSIGN(status.state, LoadState(host));
    if (status.state) status.changes = ChangesSince(host, *status.state);
  }
  return status;
}

std::string StatusText(const ArmStatus& status) {
  std::string reserved = fmt::format("reserved memory: {} MiB\n", status.reserved_bytes / kMiB);
  if (!status.crash_kernel_loaded) return "not armed: no crash kernel is loaded\n" + reserved;
  if (!status.state)
    return "not armed: a crash kernel is loaded, but not by kdump-arm\n" + reserved;
  const ArmedState& state = *status.state;
  std::string text = fmt::format(
      "armed: a crash kernel is loaded; kdump-arm loaded one at {}\n"
      "{}kernel: {} ({})\ntarget: {} on {}\nsource: {}\ncommand line: {}\narm id: {}\n",
      UtcText(state.armed_at_s), reserved, state.kernel_release, state.kernel_path, state.target,
      state.target_device, state.source.empty() ? "not known" : state.source, state.command_line,
      state.arm_id);
  for (const std::string& change : status.changes) text += fmt::format("changed: {}\n", change);
  return text;
}

std::string StatusJson(const ArmStatus& status) {
  Json json = {{"armed", status.armed()},
               {"crash_kernel_loaded", status.crash_kernel_loaded},
               {"reserved_bytes", status.reserved_bytes}};
  if (status.state) {
    json["arming"] = ToJson(*status.state);
    json["changes"] = status.changes;
  }
  return JsonText(json);
}

std::string StatusErrorJson(const Error& error) {
  return JsonText(Json{{"armed", false}, {"error", error.ToString()}});
}

std::string CheckText(const loader::Preparation& preparation) {
  std::string text;
  for (const loader::CheckItem& item : preparation.checks) {
    text += fmt::format("{:<8} {}: {}\n", loader::CheckStateName(item.state), item.id, item.text);
    if (!item.advice.empty()) text += fmt::format("{:<8} {}\n", "", item.advice);
  }
  return text;
}

std::string CheckJson(const loader::Preparation& preparation) {
  Json checks = Json::array();
  for (const loader::CheckItem& item : preparation.checks) {
    checks.push_back({{"id", item.id},
                      {"state", std::string(loader::CheckStateName(item.state))},
                      {"text", item.text},
                      {"advice", item.advice}});
  }
  Json json = {{"ready", preparation.Ready()},
               {"checks", std::move(checks)},
               {"modules", preparation.module_files},
               {"device_modules", preparation.device_module_files},
               {"source", preparation.source},
               {"command_line", preparation.command_line},
               {"initramfs_bytes", preparation.initramfs.size()}};
  return JsonText(json);
}

}  // namespace hmem::arm
