// SPDX-License-Identifier: GPL-2.0-or-later
// Memory reserved for the capture kernel, and how much there should be.
#pragma once

#include <cstdint>
#include <string>

#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::loader {

// Bytes reserved by crashkernel=, 0 without. kUnsupported: this kernel was built without crash
// kexec.
Result<uint64_t> ReservedBytes(const Host& host);

// Whether a capture kernel is loaded, by whomever. kUnsupported as above.
Result<bool> CrashKernelLoaded(const Host& host);

// Whether a kernel for a reboot through kexec is loaded, by whomever. kUnsupported: this kernel was
// built without kexec.
Result<bool> RebootKernelLoaded(const Host& host);

// What the loaded image takes of it: the kernel while it unpacks itself, the initramfs, and the
// small pieces kexec adds.
uint64_t ImageBytes(uint64_t kernel_init_size_bytes, uint64_t initramfs_bytes);

// The next size to try when an image did not fit into `reserved_bytes`.
uint64_t NextStepBytes(uint64_t reserved_bytes);

// Where crashkernel= is there already, what to do about it: another value, or why it had no effect.
// "add crashkernel=128M to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run update-grub and
// reboot"
std::string ReservationAdvice(const Host& host, uint64_t advised_bytes);

}  // namespace hmem::loader
