// SPDX-License-Identifier: GPL-2.0-or-later
// The machine leaves the capture kernel, whatever happened.
#pragma once

#include <cstdint>

#include "capture-kernel/plan/capture_plan.h"

namespace hmem::init {

// When PID 1 itself gets SIGSEGV, SIGABRT or the like: says so and reboots. Without this the kernel
// would panic, and a panic without panic= hangs.
void RebootOnFatalSignals();

// A process apart that resets the machine (sysrq-b) after `seconds`, for a PID 1 that hangs in the
// kernel.
void StartOverseer(uint64_t seconds);

// Does not return. If reboot(2) hangs, sysrq-b follows half a minute later, and then the hardware
// watchdog, if there is one.
[[noreturn]] void Leave(plan::FinalAction action);

}  // namespace hmem::init
