// SPDX-License-Identifier: GPL-2.0-or-later
// The one place that finds the function of a frame.
#pragma once

#include <optional>

#include "dumptools/symbols/symbol_table.h"
#include "dumptools/unwind/unwinder.h"

namespace hmem::walk {

// The symbol that holds the frame's code. A return address is looked up one byte before: behind a
// call to a function that does not return, the next byte is another function's. The offset is that
// of the frame's pc, so that it reads as in the kernel's own traces.
std::optional<symbols::Located> LocateFrame(const symbols::SymbolTable& symbols,
                                            const unwind::Frame& frame);

}  // namespace hmem::walk
