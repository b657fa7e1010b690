// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/log_text.h"

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::LogReport& report) {
  std::string out;
  for (const v1::LogRecord& record : report.records()) out += LogLineText(record) + "\n";
  return out;
}

}  // namespace hmem::report
