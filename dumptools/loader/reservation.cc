// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/reservation.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "capture-kernel/plan/key_value_text.h"
#include "dumptools/loader/command_line.h"

namespace hmem::loader {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kRoundBytes = 32 * kMiB;
// Purgatory, boot parameters, command line, ELF headers of the old memory.
constexpr uint64_t kKexecPiecesBytes = 1 * kMiB;

// The files moved into /sys/kernel/kexec/ in newer kernels, which keep the old names too.
Result<uint64_t> ReadKexecNumber(const Host& host, std::string_view old_name,
                                 std::string_view new_name, std::string_view lacks) {
  for (const std::string& path :
       {fmt::format("/sys/kernel/{}", old_name), fmt::format("/sys/kernel/kexec/{}", new_name)}) {
    if (!host.Exists(path)) continue;
    HMEM_ASSIGN(std::string line, host.ReadLine(path));
    return Within(path, plan::ParseNumber(line, 0, UINT64_MAX));
  }
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("/sys/kernel/{}: not there; this kernel was built without {}", old_name, lacks));
}

// Of "128M" or "128M@16M", as memparse() of the kernel has it; nothing for "auto", for ranges
// ("2G-4G:320M") and for a size with ",high" or ",low", which is only a part.
std::optional<uint64_t> PlainSize(std::string_view value) {
  value = value.substr(0, value.find('@'));
  uint64_t unit = 1;
  constexpr std::string_view kUnits = "KMGT";
  if (!value.empty()) {
    size_t power = kUnits.find(static_cast<char>(value.back() & ~0x20));
    if (power != std::string_view::npos) {
      unit <<= 10 * (power + 1);
      value.remove_suffix(1);
    }
  }
  auto number = plan::ParseNumber(value, 0, UINT64_MAX / unit);
  if (!number) return std::nullopt;
  return *number * unit;
}

}  // namespace

Result<uint64_t> ReservedBytes(const Host& host) {
  return ReadKexecNumber(host, "kexec_crash_size", "crash_size", "crash kexec");
}

Result<bool> CrashKernelLoaded(const Host& host) {
  HMEM_ASSIGN(uint64_t loaded,
              ReadKexecNumber(host, "kexec_crash_loaded", "crash_loaded", "crash kexec"));
  return loaded != 0;
}

Result<bool> RebootKernelLoaded(const Host& host) {
  HMEM_ASSIGN(uint64_t loaded, ReadKexecNumber(host, "kexec_loaded", "loaded", "kexec"));
  return loaded != 0;
}

uint64_t ImageBytes(uint64_t kernel_init_size_bytes, uint64_t initramfs_bytes) {
  return kernel_init_size_bytes + initramfs_bytes + kKexecPiecesBytes;
}

uint64_t NextStepBytes(uint64_t reserved_bytes) {
  return (reserved_bytes / kRoundBytes + 2) * kRoundBytes;
}

std::string ReservationAdvice(const Host& host, uint64_t advised_bytes) {
  std::string word = fmt::format("crashkernel={}M", advised_bytes / kMiB);
  std::string there;
  auto values = CommandLineValues(host.Read("/proc/cmdline").value_or(""), "crashkernel");
  if (!values.empty()) {
    std::string words = fmt::format("crashkernel={}", fmt::join(values, " crashkernel="));
    uint64_t reserved = ReservedBytes(host).value_or(0);
    auto asked = PlainSize(values.back());
    if (!asked && reserved == 0) {
      return fmt::format("{} reserves nothing here: put {} in its place and reboot", words, word);
    }
    if (asked && reserved == 0 && *asked != 0) {
      return fmt::format(
          "the kernel found no free memory in one piece for {}, or it was given back through "
          "/sys/kernel/kexec_crash_size (dmesg | grep -i crashkernel): reboot if it was, or give "
          "the machine more memory; {} would be enough",
          words, word);
    }
    if (asked && *asked >= advised_bytes && reserved < *asked) {
      return fmt::format(
          "{} is on the command line already, but part of it was given back through "
          "/sys/kernel/kexec_crash_size: reboot",
          words);
    }
    there = fmt::format(" in place of {}", words);
  }
  if (host.Exists("/etc/default/grub")) {
    return fmt::format(
        "add {} to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub{}, run update-grub and reboot",
        word, there);
  }
  return fmt::format(
      "add {} to the kernel command line in the boot loader's configuration{} and reboot", word,
      there);
}

}  // namespace hmem::loader
