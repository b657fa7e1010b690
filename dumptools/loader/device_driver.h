// SPDX-License-Identifier: GPL-2.0-or-later
// Whether the capture kernel will have /dev/hmem, and what must go into the initramfs for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "capture-kernel/plan/capture_plan.h"
#include "dumptools/loader/host.h"
#include "dumptools/loader/module_index.h"
#include "dumptools/loader/readiness.h"

namespace hmem::loader {

struct DeviceDriver {
  bool usable = false;
  std::vector<std::string> files;  // hmem.ko behind what it needs; empty when it is built in
  std::string text;                // "hmem is built into RELEASE", or why it cannot be used
};

// As a module: where depmod(8) has found it, or where dkms(8) puts it. One that is not signed is of
// no use where the kernel is locked down or takes signed modules only (`config` is
// /boot/config-RELEASE, empty when it is not there).
DeviceDriver FindDeviceDriver(const Host& host, const ModuleIndex& index, std::string_view release,
                              std::string_view config);

// "source": what the old kernel's memory will be read from. Without the driver it is /proc/vmcore,
// and that is a failure only where the driver was asked for.
CheckItem CheckSource(plan::SourceChoice choice, const DeviceDriver& driver);

}  // namespace hmem::loader
