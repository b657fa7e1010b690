// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/verify_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::VerifyReport& report) {
  const bool record = report.origin().format() == "record";
  // A record that is whole may hold findings of what could not be read when it was made.
  const std::string_view state = !report.origin().complete() ? "incomplete"
                                 : record                    ? "whole"
                                                             : "complete";
  std::string out = fmt::format("{}: {}, {}\n", Printable(report.origin().path()),
                                Printable(report.origin().format()), state);
  if (!record) {
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
