// SPDX-License-Identifier: GPL-2.0-or-later
// Stacks, one task after the other.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::BacktraceReport& report);

}  // namespace hmem::report
