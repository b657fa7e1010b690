// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/symbolize.h"

#include <fmt/format.h>

namespace hmem::walk {

std::optional<symbols::Located> LocateFrame(const symbols::SymbolTable& symbols,
                                            const unwind::Frame& frame) {
  const uint64_t back = frame.exact ? 0 : 1;
  std::optional<symbols::Located> located = symbols.Locate(frame.pc - back);
  if (located) located->offset += back;
  return located;
}

std::string FrameText(const symbols::SymbolTable& symbols, const unwind::Frame& frame) {
  std::string text = frame.reliable ? "" : "? ";
  std::optional<symbols::Located> located = LocateFrame(symbols, frame);
  if (!located) return text + fmt::format("{:#x}", frame.pc.value);
  text += fmt::format("{}+{:#x}/{:#x}", located->symbol.name, located->offset,
                      located->symbol.size_bytes);
  if (!located->symbol.module.empty()) text += fmt::format(" [{}]", located->symbol.module);
  return text;
}

}  // namespace hmem::walk
