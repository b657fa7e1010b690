// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/more_cpus.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "capture-kernel/plan/cpu_list.h"
#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr size_t kMaxListBytes = 64 * 1024;
// The kernel itself waits ten for a CPU.
constexpr uint64_t kCpuMs = 15'000;

Result<std::vector<uint64_t>> ReadCpuList(const std::string& path) {
  HMEM_ASSIGN(std::string text, ReadTextFile(path, kMaxListBytes));
  return Within(path, plan::ParseCpuList(text.substr(0, text.find('\n'))));
}

}  // namespace

Result<CpuStates> ReadCpuStates(const std::string& sysfs) {
  HMEM_ASSIGN(auto online, ReadCpuList(sysfs + "/devices/system/cpu/online"));
  HMEM_ASSIGN(auto present, ReadCpuList(sysfs + "/devices/system/cpu/present"));
  CpuStates states;
  states.running = online.size();
  std::set_difference(present.begin(), present.end(), online.begin(), online.end(),
                      std::back_inserter(states.waiting));
  return states;
}

Status StartCpu(const std::string& sysfs, uint64_t cpu) {
  std::string path = fmt::format("{}/devices/system/cpu/cpu{}/online", sysfs, cpu);
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_WRONLY));
  constexpr std::string_view kOn = "1";
  return WriteAll(fd.get(), std::as_bytes(std::span(kOn)), path);
}

std::vector<std::string> StartCpus(const CpuStates& states, uint64_t wanted, uint64_t limit_ms,
                                   const std::function<Status(uint64_t, uint64_t)>& start,
                                   const std::function<uint64_t()>& clock_ms) {
  std::vector<std::string> failures;
  uint64_t end_ms = clock_ms() + limit_ms;
  uint64_t running = states.running;
  for (uint64_t cpu : states.waiting) {
    if (running >= wanted) break;
    uint64_t now_ms = clock_ms();
    if (now_ms >= end_ms) {
      failures.push_back("no time left for more CPUs");
      break;
    }
    if (auto started = start(cpu, std::min(kCpuMs, end_ms - now_ms)); started) {
      ++running;
    } else {
      failures.push_back(
          fmt::format("cpu {} did not come up: {}", cpu, started.error().ToString()));
    }
  }
  return failures;
}

}  // namespace hmem::init
