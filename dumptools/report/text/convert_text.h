// SPDX-License-Identifier: GPL-2.0-or-later
// What was made of a dump, and what became of its pages.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::ConvertReport& report);

}  // namespace hmem::report
