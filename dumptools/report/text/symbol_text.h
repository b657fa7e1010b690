// SPDX-License-Identifier: GPL-2.0-or-later
// Symbols: address, kind, place.
#pragma once

#include <string>

#include "hmem/v1/report.pb.h"

namespace hmem::report {

std::string Text(const v1::SymbolReport& report);

}  // namespace hmem::report
