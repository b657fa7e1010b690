// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/fault.h"

namespace hmem::init {

Faults FaultsToInject() { return {}; }

}  // namespace hmem::init
