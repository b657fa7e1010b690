// SPDX-License-Identifier: GPL-2.0-or-later
// What is in the dump, what is not, and why.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::VerifyReport& report);

}  // namespace hmem::report
