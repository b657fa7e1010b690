// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/verify_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"

namespace hmem::hmemscope {
namespace {

void CountPages(const source::MemorySource& source, v1::VerifyReport& report) {
  const uint64_t page = source.page_bytes();
  if (page == 0) return;
  for (const PhysRange& range : source.ram()) {
    for (uint64_t pfn = range.start.value / page; pfn < range.end.value / page; ++pfn) {
      report.set_pages_ram(report.pages_ram() + 1);
      switch (source.FateOf(Pfn(pfn))) {
        case source::PageFate::kPresent:
          report.set_pages_present(report.pages_present() + 1);
          break;
        case source::PageFate::kExcluded:
          report.set_pages_excluded(report.pages_excluded() + 1);
          break;
        case source::PageFate::kUnreadable:
          report.set_pages_unreadable(report.pages_unreadable() + 1);
          break;
        case source::PageFate::kNotReached:
        case source::PageFate::kHole:
          report.set_pages_not_reached(report.pages_not_reached() + 1);
          break;
      }
    }
  }
}

Result<Answer> Run(OpenedDump& dump, const Invocation&) {
  v1::VerifyReport report;
  *report.mutable_origin() = dump.origin();
  Findings findings;
  // A bare record was checked when it was opened.
  if (dump.bare_record() == nullptr) {
    HMEM_ASSIGN(const source::MemorySource* source, dump.source());
    HMEM_TRY(source->Verify(findings));
    CountPages(*source, report);
    if (auto embedded = dump.embedded_record(); !embedded) {
      findings.Add(Severity::kError, "verify.embedded-record.bad", "", embedded.error().ToString());
    }
  }
  dump.EncodeFindings(findings, report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kText);
}

}  // namespace

const Command& VerifyCommand() {
  static constexpr Command kCommand = {
      "verify", "read everything, check every digest, say what is missing", {}, {}, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
