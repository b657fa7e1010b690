// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/fastboot_state.h"

#include <fmt/format.h>

#include "dumptools/loader/reservation.h"
#include "dumptools/tools/kdump-arm/state_file.h"

namespace hmem::arm {
namespace {

Json ToJson(const FastbootState& state) {
  return {{"kernel_release", state.kernel_release},
          {"kernel_path", state.kernel_path},
          {"initrd_path", state.initrd_path},
          {"command_line", state.command_line},
          {"loaded_at_s", state.loaded_at_s}};
}

Result<std::optional<FastbootState>> LoadFastbootState(const loader::Host& host) {
  if (!host.Exists(kFastbootStatePath)) return std::nullopt;
  HMEM_ASSIGN(Json json, ReadStateFile(host, kFastbootStatePath));
  FastbootState state;
  state.kernel_release = TextOf(json, "kernel_release");
  state.kernel_path = TextOf(json, "kernel_path");
  state.initrd_path = TextOf(json, "initrd_path");
  state.command_line = TextOf(json, "command_line");
  state.loaded_at_s = NumberOf(json, "loaded_at_s");
  if (state.kernel_path.empty())
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: no kernel_path", kFastbootStatePath));
  return state;
}

}  // namespace

FastbootState FastbootStateOf(const loader::FastbootPreparation& preparation, int64_t now_s) {
  FastbootState state;
  if (preparation.kernel) state.kernel_release = preparation.kernel->release;
  state.kernel_path = preparation.kernel_path;
  state.initrd_path = preparation.initrd_path;
  state.command_line = preparation.command_line;
  state.loaded_at_s = now_s;
  return state;
}

Status SaveFastbootState(const loader::Host& host, const FastbootState& state) {
  return SaveStateFile(host, kFastbootStatePath, ToJson(state));
}

Status RemoveFastbootState(const loader::Host& host) {
  return RemoveStateFile(host, kFastbootStatePath);
}

Result<FastbootStatus> ReadFastbootStatus(const loader::Host& host) {
  FastbootStatus status;
  HMEM_ASSIGN(status.loaded, loader::RebootKernelLoaded(host));
  if (status.loaded) {
    HMEM_ASSIGN(status.state, LoadFastbootState(host));
  }
  return status;
}

std::string FastbootStatusText(const FastbootStatus& status) {
  if (!status.loaded) return "not loaded: a reboot goes through the firmware\n";
  if (!status.state) return "loaded: a kernel to reboot into, but not by kdump-arm\n";
  const FastbootState& state = *status.state;
  return fmt::format(
      "loaded: a kernel to reboot into; kdump-arm loaded one at {}\n"
      "kernel: {} ({})\ninitrd: {}\ncommand line: {}\n",
      UtcText(state.loaded_at_s), state.kernel_release, state.kernel_path,
      state.initrd_path.empty() ? "none" : state.initrd_path, state.command_line);
}

std::string FastbootStatusJson(const FastbootStatus& status) {
  Json json = {{"loaded", status.loaded}};
  if (status.state) json["loading"] = ToJson(*status.state);
  return JsonText(json);
}

std::string FastbootStatusErrorJson(const Error& error) {
  return JsonText(Json{{"loaded", false}, {"error", error.ToString()}});
}

}  // namespace hmem::arm
