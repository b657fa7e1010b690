// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/verify_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"

namespace hmem::hmemscope {
namespace {

void Count(const source::PageFateRun& run, v1::VerifyReport& report) {
  switch (run.fate) {
    case source::PageFate::kPresent:
      return report.set_pages_present(report.pages_present() + run.pages);
    case source::PageFate::kExcluded:
      return report.set_pages_excluded(report.pages_excluded() + run.pages);
    case source::PageFate::kUnreadable:
      return report.set_pages_unreadable(report.pages_unreadable() + run.pages);
    case source::PageFate::kNotReached:
      return report.set_pages_not_reached(report.pages_not_reached() + run.pages);
    case source::PageFate::kDamaged:
      return report.set_pages_damaged(report.pages_damaged() + run.pages);
    case source::PageFate::kHole:
      return report.set_pages_hole(report.pages_hole() + run.pages);
  }
}

// By runs: the map may claim more pages than anybody can count.
void CountPages(const source::MemorySource& source, v1::VerifyReport& report) {
  const uint64_t page = source.page_bytes();
  if (page == 0) return;
  for (const PhysRange& range : source.ram()) {
    uint64_t pfn = range.start.value / page;
    const uint64_t end = range.end.value / page;
    report.set_pages_ram(report.pages_ram() + (end - pfn));
    while (pfn < end) {
      source::PageFateRun run = source.FateFrom(Pfn(pfn), end - pfn);
      Count(run, report);
      pfn += run.pages;
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
  if (dump.bare_record() != nullptr) {
    dump.EncodeFindings(findings, "verify", report.mutable_findings());
  } else {
    // Those of the source are among them already.
    firstfailure::EncodeFindings(findings, report.mutable_findings());
  }
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kText);
}

}  // namespace

const Command& VerifyCommand() {
  static constexpr Command kCommand = {
      "verify", "read everything, check every digest, say what is missing", {}, {}, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
