// SPDX-License-Identifier: GPL-2.0-or-later
// How many CPUs the capture kernel is to have, and when.
#pragma once

#include <cstdint>
#include <optional>

#include "dumptools/loader/host.h"
#include "dumptools/loader/readiness.h"

namespace hmem::loader {

struct CaptureCpus {
  uint64_t cpus = 1;
  // The record is made on one; the others are brought up when it is durable.
  bool one_at_first = false;
  std::optional<uint64_t> boot_apic_id;  // see CommandLineFacts
};

// At most so many are brought up without being asked for: each takes memory, and compression is
// soon faster than the disk.
constexpr uint64_t kMaxAutomaticCpus = 4;

// `configured` is Config::cpus. "auto" is as many as this machine runs, and one where it is not
// known which of them was the boot CPU.
CaptureCpus ChooseCaptureCpus(const Host& host, std::optional<uint64_t> configured);

// "cpus": what was chosen; a warning where "auto" had to be one.
CheckItem CheckCaptureCpus(const Host& host, std::optional<uint64_t> configured,
                           const CaptureCpus& chosen);

}  // namespace hmem::loader
