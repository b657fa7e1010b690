// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "capture-kernel/plan/key_value_text.h"

namespace hmem::loader {
namespace {

// The kernel puts "elfcorehdr=0x... " before ours: MAX_ELFCOREHDR_STR_LEN of
// arch/x86/kernel/kexec-bzimage64.c, which answers EINVAL when both do not fit. One for the NUL.
constexpr uint64_t kKernelsOwnBytes = 30 + 1;

// Words that say what the hardware is or can stand: without them the capture kernel may not come up
// where this one did. A panic on a CPU with an APIC id of 255 or more needs interrupt remapping as
// this kernel has it (x2apic_disable() of arch/x86/kernel/apic/apic.c panics without).
constexpr std::array<std::string_view, 20> kHardwareWords = {
    "acpi",    "noapic", "nolapic", "iommu",       "intel_iommu", "amd_iommu",     "intremap",
    "swiotlb", "pci",    "noacpi",  "nopat",       "clocksource", "tsc",           "no5lvl",
    "nohpet",  "hpet",   "idle",    "x2apic_phys", "nox2apic",    "no_timer_check"};

// Of the one boot: the image and initrd that the boot loader read (the EFI stub reads initrd=
// itself), the dead kernel's headers, and the way back to a kernel that waits.
constexpr std::array<std::string_view, 4> kWordsOfOneBoot = {"BOOT_IMAGE", "initrd", "elfcorehdr",
                                                             "kexec_jump_back_entry"};

// A kernel without eventfs (6.1; 6.12 has it) makes the files of every trace event at boot: 9 MiB
// of inodes and dentries in Debian's, that nobody looks at here. A kernel without that function, or
// without kallsyms, goes on all the same.
constexpr const char* kNoTraceFiles = "initcall_blacklist=tracer_init_tracefs";

std::string_view KeyOf(std::string_view word) { return word.substr(0, word.find('=')); }

}  // namespace

std::vector<std::string> CommandLineWords(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  for (char c : line) {
    if (c == '"') quoted = !quoted;
    bool blank = c == ' ' || c == '\t' || c == '\n';
    if (!blank || quoted) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

Result<std::string> CaptureCommandLine(const CommandLineFacts& facts) {
  std::vector<std::string> out;
  for (const std::string& word : CommandLineWords(facts.running)) {
    if (word == "--") break;
    if (KeyOf(word) == "console") out.push_back(word);
  }
  if (out.empty()) {
    for (const std::string& console : CommandLineWords(facts.active_consoles))
      out.push_back("console=" + console);
  }
  for (const std::string& word : CommandLineWords(facts.running)) {
    if (word == "--") break;
    if (std::find(kHardwareWords.begin(), kHardwareWords.end(), KeyOf(word)) !=
        kHardwareWords.end()) {
      out.push_back(word);
    }
  }
  out.push_back(fmt::format("panic={}", facts.panic_timeout_s));
  // nr_cpus= and not maxcpus= alone: what a CPU costs is taken for every possible one.
  out.push_back(fmt::format("nr_cpus={}", facts.cpus));
  if (facts.cpus > 1 && facts.one_at_first) out.emplace_back("maxcpus=1");
  if (facts.cpus > 1) {
    if (!facts.boot_apic_id) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("cpus = {}: /proc/cpuinfo does not tell the boot CPU's initial apicid",
                      facts.cpus));
    }
    out.push_back(fmt::format("disable_cpu_apicid={}", *facts.boot_apic_id));
  }
  out.push_back("irqpoll");
  out.push_back("reset_devices");
  out.push_back(kNoTraceFiles);
  if (!facts.append.empty()) out.push_back(facts.append);
  std::string line = fmt::format("{}", fmt::join(out, " "));
  uint64_t fits = facts.kernel_takes_bytes - std::min(kKernelsOwnBytes, facts.kernel_takes_bytes);
  if (line.size() > fits) {
    return Fail(ErrorCode::kLimit,
                fmt::format("capture command line: {} bytes, {} fit", line.size(), fits));
  }
  return line;
}

std::string ReusedCommandLine(std::string_view running, std::string_view append) {
  auto contains = [](const auto& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  std::vector<std::string> words = CommandLineWords(running);
  std::vector<std::string> appended = CommandLineWords(append);
  auto for_init = std::find(words.begin(), words.end(), "--");
  std::vector<std::string> out;
  for (auto word = words.begin(); word != for_init; ++word) {
    if (!contains(kWordsOfOneBoot, KeyOf(*word)) && !contains(appended, *word))
      out.push_back(*word);
  }
  out.insert(out.end(), appended.begin(), appended.end());
  out.insert(out.end(), for_init, words.end());
  return fmt::format("{}", fmt::join(out, " "));
}

std::optional<uint64_t> BootApicId(std::string_view cpuinfo) {
  // "processor : 0" opens the first block; blocks are parted by empty lines.
  std::string_view block = cpuinfo.substr(0, cpuinfo.find("\n\n"));
  constexpr std::string_view kKey = "initial apicid";
  size_t at = block.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view line = block.substr(at, std::min(block.find('\n', at), block.size()) - at);
  size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view word = line.substr(colon + 1);
  word.remove_prefix(std::min(word.find_first_not_of(" \t"), word.size()));
  auto id = plan::ParseNumber(word, 0, UINT32_MAX);
  if (!id) return std::nullopt;
  return *id;
}

std::vector<std::string> CommandLineValues(std::string_view command_line, std::string_view key) {
  std::vector<std::string> values;
  for (const std::string& word : CommandLineWords(command_line)) {
    if (word == "--") break;
    if (word.find('=') != std::string::npos && KeyOf(word) == key)
      values.push_back(word.substr(key.size() + 1));
  }
  return values;
}

}  // namespace hmem::loader
