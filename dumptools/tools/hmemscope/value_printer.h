// SPDX-License-Identifier: GPL-2.0-or-later
// A structure in the dump, member by member: paths and values as people read them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dumptools/symbols/symbol_table.h"
#include "dumptools/types/type_db.h"
#include "hmem/base/findings.h"
#include "hmem/base/virt_reader.h"
#include "hmem/v1/report.pb.h"

namespace hmem::hmemscope {

struct PrintLimits {
  size_t max_lines = 4096;
  size_t max_elements = 64;  // of one array
  size_t max_depth = 16;     // structures in structures
};

// Adds a line for every scalar, pointer, enumerator and text of the value at `address`, in
// declaration order. Anonymous members take their parent's path. Arrays of char are text up to
// their NUL. What cannot be read is shown as such and becomes a finding; what the limits cut too.
// Fails only when the type itself cannot be described.
Status PrintValue(const VirtReader& memory, const symbols::SymbolTable& symbols,
                  const types::TypeDb& types, types::TypeId type, VirtAddr address,
                  const PrintLimits& limits, v1::ValueReport& report, Findings& findings);

}  // namespace hmem::hmemscope
