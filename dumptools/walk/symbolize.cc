// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/symbolize.h"

namespace hmem::walk {

std::optional<symbols::Located> LocateFrame(const symbols::SymbolTable& symbols,
                                            const unwind::Frame& frame) {
  const uint64_t back = frame.exact || frame.pc.value == 0 ? 0 : 1;
  std::optional<symbols::Located> located = symbols.Locate(frame.pc - back);
  if (located) located->offset += back;
  return located;
}

}  // namespace hmem::walk
