// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/capture_cpus.h"

#include <fmt/format.h>

#include <algorithm>

#include "capture-kernel/plan/cpu_list.h"
#include "dumptools/loader/command_line.h"

namespace hmem::loader {
namespace {

constexpr size_t kMaxCpuinfoBytes = 64 << 20;

uint64_t RunningCpus(const Host& host) {
  auto list = plan::ParseCpuList(host.ReadLine("/sys/devices/system/cpu/online").value_or(""));
  return list ? std::max<uint64_t>(1, list->size()) : 1;
}

}  // namespace

CaptureCpus ChooseCaptureCpus(const Host& host, std::optional<uint64_t> configured) {
  CaptureCpus chosen;
  chosen.boot_apic_id = BootApicId(host.Read("/proc/cpuinfo", kMaxCpuinfoBytes).value_or(""));
  if (configured) {
    chosen.cpus = *configured;
  } else if (chosen.boot_apic_id) {
    chosen.cpus = std::min(RunningCpus(host), kMaxAutomaticCpus);
    chosen.one_at_first = chosen.cpus > 1;
  }
  return chosen;
}

CheckItem CheckCaptureCpus(const Host& host, std::optional<uint64_t> configured,
                           const CaptureCpus& chosen) {
  if (!configured && !chosen.boot_apic_id && RunningCpus(host) > 1) {
    return Warned("cpus", "1: /proc/cpuinfo does not tell the boot CPU's initial apicid",
                  "nothing needs to be done; set cpus = 1 to be rid of this");
  }
  return Passed("cpus", chosen.one_at_first
                            ? fmt::format("1, and up to {} when the record is durable", chosen.cpus)
                            : fmt::format("{}", chosen.cpus));
}

}  // namespace hmem::loader
