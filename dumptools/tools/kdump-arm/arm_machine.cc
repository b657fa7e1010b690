// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/arm_machine.h"

#include "dumptools/loader/reservation.h"

namespace hmem::arm {

std::string WhatIsLoaded(const loader::Host& host) {
  auto loaded = loader::CrashKernelLoaded(host);
  if (!loaded) return "it is not known whether a crash kernel is loaded";
  return *loaded ? "the crash kernel that was loaded before stays"
                 : "no crash kernel is loaded now: a crash would not be saved";
}

Result<ArmedState> ArmMachine(const loader::Host& host, const loader::Preparation& preparation,
                              loader::Kexec& kexec, int64_t now_s) {
  if (auto loaded = loader::Load(host, preparation, kexec); !loaded) {
    if (!loader::CrashKernelLoaded(host).value_or(true)) {
      // The error to tell is the first one.
      (void)RemoveState(host);
    }
    return std::unexpected(std::move(loaded).error().Within(WhatIsLoaded(host)));
  }
  ArmedState state = StateOf(host, preparation, now_s);
  HMEM_TRY(Within("armed, but", SaveState(host, state)));
  return state;
}

}  // namespace hmem::arm
