// SPDX-License-Identifier: GPL-2.0-or-later
// What was armed, remembered until the next boot in /run/hmem/armed.json, and the JSON of `status`
// and `check`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dumptools/loader/arming.h"
#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::arm {

constexpr std::string_view kStatePath = "/run/hmem/armed.json";

struct ArmedState {
  std::string arm_id;
  std::string host_id;
  std::string kernel_release;
  std::string kernel_path;
  uint64_t kernel_bytes = 0;
  int64_t kernel_mtime_s = 0;  // Unix seconds; 0: not known
  std::string target;
  std::string target_device;
  std::string source;  // what the old kernel's memory is read from; empty: not known
  std::string command_line;
  uint64_t initramfs_bytes = 0;
  int64_t armed_at_s = 0;         // Unix seconds
  uint64_t system_ram_bytes = 0;  // the loaded image knows of these; 0: not known
};

ArmedState StateOf(const loader::Host& host, const loader::Preparation& preparation, int64_t now_s);

// Written to a temporary name and renamed.
Status SaveState(const loader::Host& host, const ArmedState& state);
// Nothing when this boot was never armed. kIo, kCorrupt.
Result<std::optional<ArmedState>> LoadState(const loader::Host& host);
Status RemoveState(const loader::Host& host);

struct ArmStatus {
  bool crash_kernel_loaded = false;
  std::optional<ArmedState> state;
  uint64_t reserved_bytes = 0;
  // What is no longer as it was armed, a sentence each.
  std::vector<std::string> changes;

  // Loaded, and by us at some time of this boot. The kernel does not tell whether another program
  // has loaded one since.
  bool armed() const { return crash_kernel_loaded && state.has_value(); }
};

Result<ArmStatus> ReadStatus(const loader::Host& host);

std::string StatusText(const ArmStatus& status);
std::string StatusJson(const ArmStatus& status);
// Where it cannot be told.
std::string StatusErrorJson(const Error& error);
std::string CheckText(const loader::Preparation& preparation);
std::string CheckJson(const loader::Preparation& preparation);

}  // namespace hmem::arm
