// SPDX-License-Identifier: GPL-2.0-or-later
// What kdump-arm found out while the machine was well and hmem-init does in the capture kernel:
// /etc/hmem/init.conf in the capture initramfs. Both programs read and write it through this file,
// so they cannot drift apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capture-kernel/plan/file_system.h"
#include "hmem/base/result.h"

namespace hmem::plan {

enum class FinalAction { kReboot, kPoweroff, kHalt };

std::string_view FinalActionName(FinalAction action);  // "reboot", "poweroff", "halt"
Result<FinalAction> ParseFinalAction(std::string_view word);

// Where the old kernel's memory is read. One is the other's substitute in any case: when it is not
// there, or when a stage failed that read it.
enum class SourceChoice {
  kAuto,    // /dev/hmem where the capture kernel has it
  kHmem,    // the same, and arming fails where it has not
  kVmcore,  // /proc/vmcore; hmem.ko is not loaded
};

std::string_view SourceChoiceName(SourceChoice choice);  // "auto", "hmem", "vmcore"
Result<SourceChoice> ParseSourceChoice(std::string_view word);

// Where the dump goes and how to find it again.
struct Target {
  enum class Kind { kPath, kDevice };
  Kind kind = Kind::kPath;
  std::string name;  // as the running system calls it: "/var/crash", "/dev/vdb"; only printed
  std::string hardware_path;  // of the whole disk, see hardware_path.h
  uint64_t partition = 0;     // 0: the whole disk
  uint64_t sectors = 0;       // of the disk or partition, 512 bytes each
  FileSystemId file_system;   // kPath only
  std::string directory;      // kPath only: inside the file system, "/" or "/var/crash"

  bool operator==(const Target&) const = default;
};

// Seconds. The dump's deadline grows with the memory to dump, see DumpDeadline().
struct Deadlines {
  uint64_t record_s = 15;
  uint64_t dump_s = 0;     // each of the dump stages; 0: from the size of memory
  uint64_t target_s = 60;  // until the target is mounted
  uint64_t log_s = 60;
  uint64_t total_s = 0;  // everything until the reboot; 0: the sum of the above

  bool operator==(const Deadlines&) const = default;
};

constexpr uint64_t kMaxDeadlineSeconds = 7 * 24 * 3600;

struct Module {
  std::string path;     // in the initramfs, without blanks
  std::string options;  // "PARAM=VALUE ...", as finit_module(2) takes them; may be empty

  bool operator==(const Module&) const = default;
};

struct CapturePlan {
  Target target;
  SourceChoice source = SourceChoice::kAuto;
  // hmem.ko behind what it needs; empty when it is built in or not there. The last one gets
  // elfcorehdr= as well.
  std::vector<Module> device_modules;
  std::vector<Module> modules;  // of the target; in load order
  Deadlines deadlines;
  FinalAction final_action = FinalAction::kReboot;
  // To dump with. Where the capture kernel runs fewer, the others are brought up when the record is
  // durable; 0: none are.
  uint64_t dump_cpus = 0;
  // hmemdump's -x, and its --keep with blanks between.
  std::string exclude = "zero";
  std::string keep;

  bool operator==(const CapturePlan&) const = default;

  // `memory_bytes` is the size of the old kernel's memory. 60 s and one more for each 16 MiB when
  // the plan says 0.
  uint64_t DumpDeadline(uint64_t memory_bytes) const;
  // Of the whole run: all stages at their worst, or what the plan says.
  uint64_t TotalDeadline(uint64_t memory_bytes) const;
};

constexpr std::string_view kInitConfPath = "/etc/hmem/init.conf";
constexpr std::string_view kIdentityConfPath = "/etc/hmem/identity.conf";
// hmem-init's copy of it, with the timeline so far.
constexpr std::string_view kRunIdentityConfPath = "/run/hmem/identity.conf";
constexpr std::string_view kHmemdumpPath = "/bin/hmemdump";

std::string FormatCapturePlan(const CapturePlan& plan);
// kInvalidArgument naming `name`, the line and what is wrong: an unknown or doubled key, a bad
// value, a key missing.
Result<CapturePlan> ParseCapturePlan(std::string_view text, std::string_view name);

}  // namespace hmem::plan
