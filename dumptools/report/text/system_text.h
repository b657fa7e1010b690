// SPDX-License-Identifier: GPL-2.0-or-later
// The machine and its kernel.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::SystemReport& report);

}  // namespace hmem::report
