// SPDX-License-Identifier: GPL-2.0-or-later
// The module list.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::ModuleReport& report);

}  // namespace hmem::report
