// SPDX-License-Identifier: GPL-2.0-or-later
// The machine leaves the capture kernel, whatever happened.
#pragma once

#include <cstdint>

#include "capture-kernel/plan/capture_plan.h"

namespace hmem::init {

// When PID 1 itself gets SIGSEGV, SIGABRT or the like: says so and reboots. Without this the kernel
// would panic, and a panic without panic= hangs.
void RebootOnFatalSignals();

// Calls `reboot_now`. When that hangs, a process apart writes "b" to `sysrq_trigger` after
// `grace_seconds`; when it is refused or there is no such process, "b" is written at once. Safe in
// a signal handler.
void ForceReboot(int (*reboot_now)(), unsigned grace_seconds, const char* sysrq_trigger);

// A process apart that resets the machine (sysrq-b) after `seconds`, for a PID 1 that hangs in the
// kernel.
void StartOverseer(uint64_t seconds);

// Does not return. If reboot(2) hangs, sysrq-b follows half a minute later, and then the hardware
// watchdog, if there is one.
[[noreturn]] void Leave(plan::FinalAction action);

}  // namespace hmem::init
