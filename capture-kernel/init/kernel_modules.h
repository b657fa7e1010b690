// SPDX-License-Identifier: GPL-2.0-or-later
// Loads the modules the target needs.
#pragma once

#include <string>

#include "hmem/base/result.h"

namespace hmem::init {

// finit_module(2) of a plain .ko with "PARAM=VALUE ..."; one that is there already is fine. kIo.
Status LoadModule(const std::string& path, const std::string& options);

}  // namespace hmem::init
