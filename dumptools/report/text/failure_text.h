// SPDX-License-Identifier: GPL-2.0-or-later
// What an engineer on call reads first: the verdict in one line, then everything the record holds.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::FailureReport& report);

}  // namespace hmem::report
