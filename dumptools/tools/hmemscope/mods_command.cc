// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/module_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/walk/modules.h"

namespace hmem::hmemscope {
namespace {

Result<Answer> Run(OpenedDump& dump, const Invocation&) {
  v1::ModuleReport report;
  *report.mutable_origin() = dump.origin();
  Findings findings;
  if (const v1::FirstFailure* bare = dump.bare_record()) {
    *report.mutable_modules() = bare->modules();
  } else {
    HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
    HMEM_ASSIGN(auto modules, walk::ReadModules(*kernel, findings));
    for (const walk::Module& module : modules)
      *report.add_modules() = firstfailure::EncodeModule(module);
  }
  dump.EncodeFindings(findings, "mods", report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kNotes);
}

}  // namespace

const Command& ModsCommand() {
  static constexpr Command kCommand = {"mods", "the loaded modules", {}, {}, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
