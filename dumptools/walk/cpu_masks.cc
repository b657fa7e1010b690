// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/cpu_masks.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "dumptools/walk/cpus.h"

namespace hmem::walk {
namespace {

std::vector<uint32_t> CpusBelowLimit(const Kernel& kernel) {
  uint32_t limit = 1;
  if (Result<VirtAddr> symbol = kernel.SymbolAddress("nr_cpu_ids")) {
    if (Result<uint32_t> value = kernel.memory().U32(*symbol); value && *value > 0)
      limit = std::min(*value, kMaxCpus);
  }
  std::vector<uint32_t> cpus(limit);
  std::iota(cpus.begin(), cpus.end(), 0u);
  return cpus;
}

}  // namespace

Result<std::vector<uint32_t>> ReadCpuMask(const Kernel& kernel, std::string_view symbol) {
  HMEM_ASSIGN(VirtAddr mask, kernel.SymbolAddress(symbol));
  // Absent where NR_CPUS is small enough to be used as it is; one word is then what there is.
  const auto word_bytes = static_cast<uint32_t>(kernel.arch().word_bytes);
  const uint32_t word_bits = word_bytes * 8;
  uint32_t cpus = word_bits;
  if (Result<VirtAddr> limit = kernel.SymbolAddress("nr_cpu_ids")) {
    HMEM_ASSIGN(uint32_t value, kernel.memory().U32(*limit));
    cpus = std::min(value, kMaxCpus);
  }
  std::vector<uint32_t> set;
  for (uint32_t first = 0; first < cpus; first += word_bits) {
    HMEM_ASSIGN(uint64_t word, kernel.memory().Word(mask + first / 8));
    for (uint32_t bit = 0; bit < word_bits && first + bit < cpus; ++bit) {
      if ((word >> bit & 1) != 0) set.push_back(first + bit);
    }
  }
  return set;
}

std::vector<uint32_t> PossibleCpus(const Kernel& kernel, Findings& findings) {
  std::vector<uint32_t> cpus;
  Result<std::vector<uint32_t>> possible = ReadCpuMask(kernel, "__cpu_possible_mask");
  if (possible && !possible->empty()) {
    cpus = *std::move(possible);
  } else {
    cpus = CpusBelowLimit(kernel);
    const std::string looked_at =
        cpus.size() == 1 ? "CPU 0" : fmt::format("CPU 0 to {}", cpus.back());
    findings.Add(Severity::kLoss, "walk.cpus.no-possible-mask",
                 possible ? "no CPU is set" : possible.error().ToString(),
                 fmt::format("the set of possible CPUs cannot be read; {} and those known "
                             "otherwise are taken for it",
                             looked_at));
  }
  if (Result<std::vector<uint32_t>> online = ReadCpuMask(kernel, "__cpu_online_mask"))
    cpus.insert(cpus.end(), online->begin(), online->end());
  if (Result<uint32_t> crashed = CrashedCpu(kernel)) cpus.push_back(*crashed);
  std::ranges::sort(cpus);
  auto again = std::ranges::unique(cpus);
  cpus.erase(again.begin(), again.end());
  return cpus;
}

}  // namespace hmem::walk
