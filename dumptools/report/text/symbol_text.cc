// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/symbol_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::SymbolReport& report) {
  std::string out;
  for (const v1::SymbolMatch& match : report.matches()) {
    std::string name = Printable(match.name());
    if (match.offset() != 0) name += fmt::format("+{:#x}", match.offset());
    out +=
        fmt::format("{:#018x} {} {}/{:#x}{}\n", match.address() + match.offset(),
                    match.kind().empty() ? "?" : Printable(match.kind()), name, match.size_bytes(),
                    match.module().empty() ? "" : fmt::format(" [{}]", Printable(match.module())));
  }
  return out;
}

}  // namespace hmem::report
