// SPDX-License-Identifier: GPL-2.0-or-later
// The capture kernel's command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::loader {

struct CommandLineFacts {
  std::string running;  // /proc/cmdline
  std::string
      active_consoles;  // /sys/class/tty/console/active; used when `running` names no console
  uint64_t cpus = 1;
  // The kernel starts on one; the others are there to be brought up later.
  bool one_at_first = false;
  // Initial APIC id of the boot CPU (x86); needed when cpus > 1: a panic on another CPU makes that
  // one the boot CPU, and starting the old boot CPU would then send an INIT that resets the
  // machine. Kernels from 6.9 find the old boot CPU themselves (check_for_real_bsp() of
  // arch/x86/kernel/cpu/topology.c) and do not know disable_cpu_apicid= any more; to them it is a
  // word for init.
  std::optional<uint64_t> boot_apic_id;
  uint64_t panic_timeout_s = 10;
  std::string append;
  // Of the capture kernel, with the NUL: KernelImage::command_line_bytes.
  uint64_t kernel_takes_bytes = 2047;
};

// Consoles and what describes the hardware are taken over from the running kernel, nothing else is;
// never crashkernel=. The kernel adds elfcorehdr= itself. kLimit: longer than the kernel takes.
// kInvalidArgument: several CPUs, no APIC id.
Result<std::string> CaptureCommandLine(const CommandLineFacts& facts);

// The running kernel's command line for a kernel that it starts itself: without what the boot
// loader told of its own work (BOOT_IMAGE=, initrd=) and what kexec left; the rest as it is. The
// words of `append` come last, before those for init, and once however often they are appended.
std::string ReusedCommandLine(std::string_view running, std::string_view append);

// "initial apicid" of processor 0; nothing where /proc/cpuinfo has none (not x86).
std::optional<uint64_t> BootApicId(std::string_view cpuinfo);

// The words of a command line, parted at blanks outside of quotes; the quotes stay.
std::vector<std::string> CommandLineWords(std::string_view line);

// The values of the `key=` words of a command line, in their order.
std::vector<std::string> CommandLineValues(std::string_view command_line, std::string_view key);

}  // namespace hmem::loader
