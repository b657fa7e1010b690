// SPDX-License-Identifier: GPL-2.0-or-later
// Arming a machine that may be armed already.
#pragma once

#include <cstdint>
#include <string>

#include "dumptools/loader/arming.h"
#include "dumptools/loader/host.h"
#include "dumptools/loader/kexec.h"
#include "dumptools/tools/kdump-arm/armed_state.h"
#include "hmem/base/result.h"

namespace hmem::arm {

// Loads what was prepared and remembers it. The kernel gives up the crash kernel before this one as
// soon as it begins to load: an error says whether one is loaded now, and when none is, the state
// is gone too.
Result<ArmedState> ArmMachine(const loader::Host& host, const loader::Preparation& preparation,
                              loader::Kexec& kexec, int64_t now_s);

// What a failure leaves: "the crash kernel that was loaded before stays", or that none is loaded.
std::string WhatIsLoaded(const loader::Host& host);

}  // namespace hmem::arm
