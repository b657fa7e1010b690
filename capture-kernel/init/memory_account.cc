// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/memory_account.h"

#include <fmt/format.h>

#include <algorithm>

#include "capture-kernel/plan/key_value_text.h"
#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr size_t kMaxInfoBytes = 64 * 1024;

// "MemTotal:          59392 kB", one to a line.
uint64_t Kib(std::string_view text, std::string_view key) {
  for (size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size() - 1) + 1) {
    std::string_view line = text.substr(at);
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return plan::ParseNumber(line.substr(0, line.find_first_of(" \n")), 0, UINT64_MAX / 1024)
        .value_or(0);
  }
  return 0;
}

}  // namespace

MemoryInfo ParseMemoryInfo(std::string_view text) {
  return {.total = Kib(text, "MemTotal:"),
          .available = Kib(text, "MemAvailable:"),
          .cache = Kib(text, "Buffers:") + Kib(text, "Cached:"),
          .anonymous = Kib(text, "AnonPages:"),
          .slab = Kib(text, "Slab:"),
          .stacks = Kib(text, "KernelStack:"),
          .tables = Kib(text, "PageTables:"),
          .percpu = Kib(text, "Percpu:")};
}

MemoryInfo ReadMemoryInfo() {
  auto text = ReadTextFile("/proc/meminfo", kMaxInfoBytes);
  return text ? ParseMemoryInfo(*text) : MemoryInfo();
}

void MemoryAccount::Look(const MemoryInfo& now) {
  if (now.total == 0) return;
  if (start_.total == 0) start_ = least_ = now;
  if (now.available < least_.available) least_ = now;
}

void MemoryAccount::Peak(std::string_view process, uint64_t kib) {
  if (kib != 0) peaks_.push_back({std::string(process), kib});
}

std::string MemoryAccount::Text() const {
  if (start_.total == 0) return "";
  // Nothing was read from a disk at the start.
  uint64_t initramfs = start_.cache;
  std::string text = fmt::format(
      "memory in KiB: total={} start={} least={} initramfs={} cache={} anonymous={} slab={} "
      "stacks={} tables={} percpu={}",
      start_.total, start_.available, least_.available, initramfs,
      least_.cache - std::min(least_.cache, initramfs), least_.anonymous, least_.slab,
      least_.stacks, least_.tables, least_.percpu);
  for (const Process& process : peaks_) text += fmt::format(" {}={}", process.name, process.kib);
  return text;
}

}  // namespace hmem::init
