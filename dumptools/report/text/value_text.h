// SPDX-License-Identifier: GPL-2.0-or-later
// A structure, a member a line.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::ValueReport& report);

}  // namespace hmem::report
