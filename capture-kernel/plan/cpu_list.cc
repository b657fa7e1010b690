// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/cpu_list.h"

#include <fmt/format.h>

#include "capture-kernel/plan/key_value_text.h"

namespace hmem::plan {
namespace {

constexpr uint64_t kMaxCpu = 8191;

}  // namespace

Result<std::vector<uint64_t>> ParseCpuList(std::string_view text) {
  std::vector<uint64_t> cpus;
  auto refuse = [&] {
    return Fail(ErrorCode::kCorrupt, fmt::format("\"{}\" is not a list of CPUs", text));
  };
  std::string_view rest = text;
  if (rest.ends_with(',')) return refuse();
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    std::string_view range = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    size_t dash = range.find('-');
    auto first = ParseNumber(range.substr(0, dash), cpus.empty() ? 0 : cpus.back() + 1, kMaxCpu);
    if (!first) return refuse();
    auto last = dash == std::string_view::npos
                    ? first
                    : ParseNumber(range.substr(dash + 1), *first, kMaxCpu);
    if (!last) return refuse();
    for (uint64_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace hmem::plan
