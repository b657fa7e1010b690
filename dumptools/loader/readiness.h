// SPDX-License-Identifier: GPL-2.0-or-later
// Whether this machine can be armed: every question with its answer and, where the answer is no,
// what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dumptools/loader/host.h"
#include "dumptools/loader/kernel_image.h"
#include "hmem/base/result.h"

namespace hmem::loader {

struct CheckItem {
  enum class State { kOk, kWarning, kFailed };
  std::string id;  // stable, lower-case: "reserved-memory"
  State state = State::kOk;
  std::string text;    // what was found
  std::string advice;  // what to do; empty when all is well
};

std::string_view CheckStateName(CheckItem::State state);  // "ok", "warning", "failed"

CheckItem Passed(std::string_view id, std::string text);
CheckItem Warned(std::string_view id, std::string text, std::string advice);
CheckItem Failed(std::string_view id, std::string text, std::string advice);

// "none", "integrity" or "confidentiality", of the running kernel.
std::string LockdownMode(const Host& host);

// "root": kexec needs CAP_SYS_BOOT in the first user namespace: root in a container has none there.
CheckItem CheckRoot(const Host& host);
// "kexec": this kernel has kexec_file_load and crash kexec, and they are not switched off.
CheckItem CheckKexec(const Host& host);
// The same for the kernel of a reboot through kexec.
CheckItem CheckRebootKexec(const Host& host);
// "panic-on-oops": without it most crashes only kill a task, and nothing is captured.
CheckItem CheckPanicOnOops(const Host& host);
// "lockdown": Secure Boot and lockdown against the image's signature. `how` is how to name another:
// "with kernel = in kdump-arm.conf".
CheckItem CheckLockdown(const Host& host, const KernelImage& image, std::string_view how);
// "kernel-config": CONFIG_CRASH_DUMP and CONFIG_PROC_VMCORE in /boot/config-RELEASE; without that
// file nothing is checked.
CheckItem CheckKernelConfig(const Host& host, std::string_view release);
// Whether /boot/config-RELEASE says that `option` is built in; false too where it cannot be read.
bool KernelHas(const Host& host, std::string_view release, std::string_view option);
// "reserved-memory" against what is advised, and against what the image alone takes (0: not known).
CheckItem CheckReservation(const Host& host, uint64_t advised_bytes, uint64_t image_bytes);
// "memory": kexec loads no image of more than half of the memory that is not reserved.
CheckItem CheckMemory(const Host& host, uint64_t image_bytes);
// "free-space" of the file system that `path` is on, against the size of memory.
CheckItem CheckFreeSpace(const Host& host, std::string_view path);
// "free-space" of a whole device, by the same measure.
CheckItem CheckDeviceSize(const Host& host, std::string_view device, uint64_t bytes);

}  // namespace hmem::loader
