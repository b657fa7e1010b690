// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/value_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/tools/hmemscope/place.h"
#include "dumptools/tools/hmemscope/value_printer.h"
#include "dumptools/walk/modules.h"

namespace hmem::hmemscope {
namespace {

struct FoundType {
  const types::TypeDb* types = nullptr;
  types::TypeId id = 0;
};

// In `module` when it was named; else in the kernel, in the module the symbol is of, in any module.
Result<FoundType> FindType(const walk::Kernel& kernel, std::string_view name,
                           std::string_view module, const Place& place, Findings& findings) {
  auto in_module = [&](std::string_view which) -> std::optional<FoundType> {
    auto types = kernel.module_types(which);
    if (!types) return std::nullopt;
    auto id = (*types)->Find(name);
    if (!id) return std::nullopt;
    return FoundType{*types, *id};
  };
  if (!module.empty()) {
    HMEM_TRY(kernel.module_types(module));
    if (auto found = in_module(module)) return *found;
    return Fail(ErrorCode::kMissingDebugInfo,
                fmt::format("no type \"{}\" in module {}", name, module));
  }
  if (place.symbol && !place.symbol->module.empty()) {
    if (auto found = in_module(place.symbol->module)) return *found;
  }
  auto base = kernel.types();
  if (base) {
    if (auto id = (*base)->Find(name)) return FoundType{*base, *id};
  }
  if (auto modules = walk::ReadModules(kernel, findings)) {
    for (const walk::Module& loaded : *modules) {
      if (auto found = in_module(loaded.name)) return *found;
    }
  }
  if (!base) return std::unexpected<Error>(base.error());
  return Fail(ErrorCode::kMissingDebugInfo,
              fmt::format("no type \"{}\", neither in the kernel nor in its modules", name));
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  v1::ValueReport report;
  *report.mutable_origin() = dump.origin();
  HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
  Findings findings;
  HMEM_ASSIGN(Place place, FindPlace(kernel->symbols(), invocation.arguments[1]));
  HMEM_ASSIGN(FoundType found, FindType(*kernel, invocation.arguments[0],
                                        invocation.Value("--module"), place, findings));
  // Nothing at all there is a failure; a hole further on is a loss.
  HMEM_TRY(kernel->memory().U8(place.address));
  HMEM_TRY(PrintValue(kernel->memory(), kernel->symbols(), *found.types, found.id, place.address,
                      {}, report, findings));
  dump.EncodeFindings(findings, "print", report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kNotes);
}

}  // namespace

const Command& PrintCommand() {
  static constexpr Flag kFlags[] = {
      {"--module", "-m", "NAME", "take the type from this module's BTF"}};
  static constexpr Argument kArguments[] = {
      {"TYPE", "task_struct, \"struct x\", \"union y\", or a typedef", 1, 1},
      {"ADDRESS|SYMBOL", "where the value lies", 1, 1}};
  static constexpr Command kCommand = {"print", "a structure in memory, member by member", kFlags,
                                       kArguments, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
