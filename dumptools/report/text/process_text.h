// SPDX-License-Identifier: GPL-2.0-or-later
// The task list, a line each; '>' marks what was on a CPU.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::ProcessReport& report);

}  // namespace hmem::report
