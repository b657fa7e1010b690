// SPDX-License-Identifier: GPL-2.0-or-later
// From a report message to what the program prints and how it exits.
#pragma once

#include <string>

#include "dumptools/report/text/pieces.h"
#include "dumptools/tools/hmemscope/command.h"

namespace hmem::hmemscope {

enum class FindingsIn { kText, kNotes };

inline bool IsLoss(const v1::Finding& finding) {
  return finding.severity() == v1::Finding::SEVERITY_LOSS ||
         finding.severity() == v1::Finding::SEVERITY_ERROR;
}

// `text` is Text(report); `findings` are the report's own; kText: the text shows them.
template <typename Report, typename FindingList>
Answer MakeAnswer(const Report& report, std::string&& text, const FindingList& findings,
                  FindingsIn where) {
  Answer answer{.type = report.GetTypeName(),
                .serialized = report.SerializeAsString(),
                .text = std::move(text),
                .losses = !report.origin().complete(),
                .notes = {}};
  for (const v1::Finding& finding : findings) {
    if (!IsLoss(finding)) continue;
    answer.losses = true;
    if (where == FindingsIn::kNotes) answer.notes.push_back(report::Printable(finding.text()));
  }
  if (!report.origin().complete() && where == FindingsIn::kNotes && answer.notes.empty()) {
    answer.notes.push_back("the dump is incomplete");
  }
  return answer;
}

}  // namespace hmem::hmemscope
