// SPDX-License-Identifier: GPL-2.0-or-later
// The ways to the old kernel's memory, and which of them the next stage takes. A fault in one must
// not take all stages with it: behind a stage that failed, whatever of, the other way is next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capture-kernel/plan/capture_plan.h"
#include "hmem/base/result.h"

namespace hmem::init {

constexpr std::string_view kDevicePath = "/dev/hmem";
constexpr std::string_view kVmcorePath = "/proc/vmcore";

// How much old memory there is. kIo. What a device answers is the driver's affair: asked in a
// child.
Result<uint64_t> DeviceBytes(const std::string& path);
Result<uint64_t> VmcoreBytes(const std::string& path);

class OldMemory {
 public:
  // None: there is nothing to save here, or no way to it.
  OldMemory() = default;

  // Of what there is the preferred one first. Neither: the error of /proc/vmcore.
  static Result<OldMemory> Choose(plan::SourceChoice choice, const Result<uint64_t>& device_bytes,
                                  const Result<uint64_t>& vmcore_bytes);

  // SOURCE for hmemdump. Empty: what it takes without one, which is the device, or /proc/vmcore
  // where the device refuses.
  std::string_view source() const;
  // "/dev/hmem", for people.
  std::string_view name() const { return ways_[next_].path; }
  // "254 MiB in /dev/hmem, 295 MiB in /proc/vmcore": a core counts its headers and the kernel's
  // image a second time.
  std::string Text() const;
  // By whichever tells more: deadlines follow from it.
  uint64_t bytes() const;
  // True when there is another way, which is next now.
  bool StepOver();

 private:
  struct Way {
    std::string_view path;
    uint64_t bytes = 0;
  };

  std::vector<Way> ways_;
  size_t next_ = 0;
};

}  // namespace hmem::init
