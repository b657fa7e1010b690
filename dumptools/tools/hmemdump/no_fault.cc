// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/fault.h"

namespace hmem::dump {

void ObeyFault() {}
void ObeyFaultOfSource(std::string_view) {}
void ObeyFaultInRecord() {}

}  // namespace hmem::dump
