// SPDX-License-Identifier: GPL-2.0-or-later
// /etc/hmem/kdump-arm.conf, see kdump-arm.conf(5).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "capture-kernel/plan/capture_plan.h"
#include "hmem/base/result.h"

namespace hmem::loader {

struct Config {
  plan::Target::Kind target_kind = plan::Target::Kind::kPath;
  std::string target = "/var/crash";
  std::string kernel;  // empty: /boot/vmlinuz-$(uname -r)
  plan::SourceChoice source = plan::SourceChoice::kAuto;
  std::string append;
  // CPUs of the capture kernel. Nothing: "auto", one until the record is durable, then more.
  std::optional<uint64_t> cpus = 1;
  uint64_t panic_timeout_s = 10;  // the capture kernel's panic=
  plan::Deadlines deadlines;
  // What the dump leaves out, and what of that it keeps: words of hmemdump(8).
  std::string exclude = "zero,cache,private,user,free";
  std::string keep = "task:crashing";
  plan::FinalAction final_action = plan::FinalAction::kReboot;
  std::map<std::string, std::string> labels;
};

constexpr std::string_view kConfigPath = "/etc/hmem/kdump-arm.conf";

// kInvalidArgument naming `name`, the line and the word: an unknown key, a doubled one, a value out
// of range.
Result<Config> ParseConfig(std::string_view text, std::string_view name);

}  // namespace hmem::loader
