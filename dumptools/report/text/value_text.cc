// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/value_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::ValueReport& report) {
  std::string out =
      fmt::format("{} at {}\n", Printable(report.type_name()), AddressText(report.address()));
  for (const v1::ValueLine& line : report.lines()) {
    out += fmt::format("  {} = {}  ({})\n", line.path().empty() ? "value" : Printable(line.path()),
                       Printable(line.value()), Printable(line.type_name()));
  }
  return out;
}

}  // namespace hmem::report
