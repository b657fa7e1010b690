// SPDX-License-Identifier: GPL-2.0-or-later
// The result as --json and --report have it. Keys are only added.
#pragma once

#include <string>

#include "dumptools/tools/hmemdump/options.h"
#include "dumptools/tools/hmemdump/report.h"
#include "hmem/base/findings.h"

namespace hmem::dump {

std::string ResultJson(const Options& options, const DumpResult& result, const Findings& findings);

}  // namespace hmem::dump
