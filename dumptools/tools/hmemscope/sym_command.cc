// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/report/text/symbol_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"
#include "dumptools/tools/hmemscope/place.h"

namespace hmem::hmemscope {
namespace {

v1::SymbolMatch Encode(const symbols::Symbol& symbol, uint64_t offset) {
  v1::SymbolMatch match;
  match.set_name(firstfailure::SafeText(symbol.name, 512));
  match.set_address(symbol.address.value);
  match.set_offset(offset);
  match.set_size_bytes(symbol.size_bytes);
  match.set_kind(firstfailure::SafeText(std::string_view(&symbol.kind, 1)));
  match.set_module(firstfailure::SafeText(symbol.module, 64));
  return match;
}

Status AddWord(const symbols::SymbolTable& symbols, std::string_view word,
               v1::SymbolReport& report) {
  if (auto address = ParseAddress(word)) {
    auto located = symbols.Locate(VirtAddr(*address));
    if (!located)
      return Fail(ErrorCode::kNotFound, fmt::format("no symbol covers {:#x}", *address));
    *report.add_matches() = Encode(located->symbol, located->offset);
    return {};
  }
  std::string_view name = word.substr(0, word.find('+'));
  HMEM_ASSIGN(Place place, FindPlace(symbols, word));
  for (const symbols::Symbol& symbol : symbols.FindAll(name)) {
    *report.add_matches() = Encode(symbol, place.address - place.symbol->address);
  }
  return {};
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  v1::SymbolReport report;
  *report.mutable_origin() = dump.origin();
  HMEM_ASSIGN(const walk::Kernel* kernel, dump.kernel());
  if (kernel->symbols().size() == 0) {
    return std::unexpected<Error>(
        Error(ErrorCode::kMissingDebugInfo, "the dump has no symbol table").Within(dump.path()));
  }
  Findings findings;
  for (const std::string& word : invocation.arguments) {
    Status status = AddWord(kernel->symbols(), word, report);
    if (status) continue;
    // One of several unknown words is a loss; the only one is a failure.
    if (invocation.arguments.size() == 1 || status.error().code() != ErrorCode::kNotFound) {
      return std::unexpected<Error>(std::move(status).error());
    }
    findings.Add(Severity::kLoss, "sym.not-found", word, status.error().ToString());
  }
  if (report.matches_size() == 0) return Fail(ErrorCode::kNotFound, "none of the symbols is known");
  dump.EncodeFindings(findings, "sym", report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kNotes);
}

}  // namespace

const Command& SymCommand() {
  static constexpr Argument kArguments[] = {
      {"NAME|ADDRESS", "symbol, symbol+0xoffset, or 0xaddress", 1, 4096}};
  static constexpr Command kCommand = {"sym", "symbols by name or address", {}, kArguments, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
