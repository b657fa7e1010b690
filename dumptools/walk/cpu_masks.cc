// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/cpu_masks.h"

#include <algorithm>

namespace hmem::walk {
namespace {

constexpr uint32_t kMaxCpus = 8192;

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
  Result<std::vector<uint32_t>> cpus = ReadCpuMask(kernel, "__cpu_possible_mask");
  if (cpus && !cpus->empty()) return *std::move(cpus);
  findings.Add(Severity::kLoss, "walk.cpus.no-mask",
               cpus ? "no CPU is set" : cpus.error().ToString(),
               "the set of possible CPUs cannot be read; only CPU 0 is looked at");
  return {0};
}

}  // namespace hmem::walk
