// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/verify_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::VerifyReport& report) {
  std::string out = fmt::format("{}: {}, {}\n", Printable(report.origin().path()),
                                Printable(report.origin().format()),
                                report.origin().complete() ? "complete" : "incomplete");
  if (report.origin().format() != "record") {
    auto pages = [](uint64_t count) { return fmt::format("{} pages", count); };
    out += Row("RAM", pages(report.pages_ram()));
    out += Row("present", pages(report.pages_present()));
    out += Row("left out", pages(report.pages_excluded()));
    out += Row("unreadable", pages(report.pages_unreadable()));
    out += Row("not reached", pages(report.pages_not_reached()));
    out += Row("damaged", pages(report.pages_damaged()));
    if (report.pages_hole() != 0) out += Row("no RAM", pages(report.pages_hole()));
  }
  out += FindingsText(report.findings());
  return out;
}

}  // namespace hmem::report
