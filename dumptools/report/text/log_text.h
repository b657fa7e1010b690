// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel log as dmesg shows it.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::LogReport& report);

}  // namespace hmem::report
