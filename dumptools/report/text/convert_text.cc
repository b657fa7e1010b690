// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/convert_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::ConvertReport& report) {
  const bool complete = report.reason() == v1::DumpEnd::REASON_COMPLETE;
  std::string out =
      fmt::format("{}: {}, {}, {}\n", Printable(report.path()), Printable(report.format()),
                  Printable(report.codec()), complete ? "complete" : "incomplete");
  auto pages = [](uint64_t count) { return fmt::format("{} pages", count); };
  out += Row("RAM", pages(report.pages_ram()));
  out += Row("kept", pages(report.pages_kept()));
  out += Row("zero", pages(report.pages_zero()));
  out += Row("left out", pages(report.pages_excluded()));
  out += Row("unreadable", pages(report.pages_unreadable()));
  out += Row("not reached", pages(report.pages_not_reached()));
  out += Row("size", BytesText(report.bytes()));
  out += FindingsText(report.findings());
  return out;
}

}  // namespace hmem::report
