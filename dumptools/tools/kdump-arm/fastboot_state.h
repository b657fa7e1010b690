// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel that was loaded for a reboot, remembered until then in /run/hmem/fastboot.json, and
// what `fastboot status` says of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dumptools/loader/fastboot.h"
#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::arm {

constexpr std::string_view kFastbootStatePath = "/run/hmem/fastboot.json";

struct FastbootState {
  std::string kernel_release;
  std::string kernel_path;
  std::string initrd_path;  // empty: none
  std::string command_line;
  int64_t loaded_at_s = 0;  // Unix seconds
};

FastbootState FastbootStateOf(const loader::FastbootPreparation& preparation, int64_t now_s);

Status SaveFastbootState(const loader::Host& host, const FastbootState& state);
Status RemoveFastbootState(const loader::Host& host);

struct FastbootStatus {
  bool loaded = false;  // by whomever
  // What we loaded since the boot, when something is loaded; another program may have replaced it.
  std::optional<FastbootState> state;
};

// kUnsupported: a kernel without kexec. kIo, kCorrupt.
Result<FastbootStatus> ReadFastbootStatus(const loader::Host& host);

std::string FastbootStatusText(const FastbootStatus& status);
std::string FastbootStatusJson(const FastbootStatus& status);
// Where it cannot be told.
std::string FastbootStatusErrorJson(const Error& error);

}  // namespace hmem::arm
