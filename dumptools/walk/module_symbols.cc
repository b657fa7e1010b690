// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/module_symbols.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <string>
#include <vector>

#include "hmem/base/byte_reader.h"

namespace hmem::walk {
namespace {

constexpr uint64_t kMaxSymbols = 1 << 20;
constexpr uint64_t kSymbolsAtOnce = 512;
constexpr size_t kMaxNameBytes = 1024;

struct ElfSymbol {
  uint32_t name = 0;
  uint8_t info = 0;
  uint16_t section = 0;
  uint64_t value = 0;
  uint64_t size_bytes = 0;
};

// Elf64_Sym and Elf32_Sym order their members differently.
Result<ElfSymbol> ReadSymbol(ByteReader& reader, int word_bytes) {
  ElfSymbol symbol;
  HMEM_ASSIGN(symbol.name, reader.U32());
  if (word_bytes == 4) {
    HMEM_ASSIGN(symbol.value, reader.U32());
    HMEM_ASSIGN(symbol.size_bytes, reader.U32());
  }
  HMEM_ASSIGN(symbol.info, reader.U8());
  HMEM_TRY(reader.Skip(1));
  HMEM_ASSIGN(symbol.section, reader.U16());
  if (word_bytes == 8) {
    HMEM_ASSIGN(symbol.value, reader.U64());
    HMEM_ASSIGN(symbol.size_bytes, reader.U64());
  }
  return symbol;
}

struct Named {
  std::string name;
  ElfSymbol symbol;
  char kind = '?';
};

// The kernel prints a module's function as reaching to the next symbol, or to the end of the text
// (find_kallsyms_symbol), padding included, as it does its own; st_size would leave that out.
void SizeToNextSymbol(const std::vector<VirtRange>& text, std::vector<Named>& symbols) {
  std::ranges::stable_sort(symbols, {}, [](const Named& named) { return named.symbol.value; });
  uint64_t next = 0;
  uint64_t here = 0;
  for (Named& named : std::views::reverse(symbols)) {
    if (named.symbol.value != here) {
      next = here;
      here = named.symbol.value;
    }
    for (const VirtRange& range : text) {
      if (here < range.start.value || here >= range.end.value) continue;
      const bool inside = next > here && next < range.end.value;
      named.symbol.size_bytes = (inside ? next : range.end.value) - here;
    }
  }
}

// struct mod_kallsyms.
struct Tables {
  VirtAddr symtab, strtab;
  VirtAddr typetab{};  // 5.2+; before, the letter stood in st_info
  uint64_t count = 0;
};

Result<Tables> ReadTables(const Kernel& kernel, VirtAddr kallsyms) {
  Tables tables;
  HMEM_ASSIGN(tables.symtab, kernel.MemberPointer(kallsyms, "mod_kallsyms", "symtab"));
  HMEM_ASSIGN(tables.strtab, kernel.MemberPointer(kallsyms, "mod_kallsyms", "strtab"));
  HMEM_ASSIGN(tables.count, kernel.Member(kallsyms, "mod_kallsyms", "num_symtab"));
  if (kernel.HasMember("mod_kallsyms", "typetab")) {
    HMEM_ASSIGN(tables.typetab, kernel.MemberPointer(kallsyms, "mod_kallsyms", "typetab"));
  }
  return tables;
}

// Symbols `first` to `first + n` of the tables, without those that have no name or no section.
// kLimit: the names are more than the budget has left.
Status ReadBatch(const Kernel& kernel, const Tables& tables, uint64_t first, uint64_t n,
                 ModuleSymbolBudget& budget, std::vector<Named>& symbols) {
  const VirtReader& memory = kernel.memory();
  const int word_bytes = kernel.arch().word_bytes;
  const uint64_t symbol_bytes = word_bytes == 8 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  std::vector<std::byte> bytes(n * symbol_bytes);
  HMEM_TRY(Within("symtab", memory.Read(tables.symtab + first * symbol_bytes, bytes)));
  std::vector<std::byte> kinds(n, std::byte{'?'});
  const bool has_kinds = tables.typetab.value != 0;
  if (has_kinds) HMEM_TRY(Within("typetab", memory.Read(tables.typetab + first, kinds)));
  ByteReader reader(bytes, memory.endian(), "symtab");
  Status status;
  for (uint64_t i = 0; i < n; ++i) {
    HMEM_ASSIGN(ElfSymbol symbol, ReadSymbol(reader, word_bytes));
    if (symbol.name == 0 || symbol.section == SHN_UNDEF) continue;
    Result<std::string> name = memory.Text(tables.strtab + symbol.name, kMaxNameBytes);
    if (!name) {
      if (status) status = Within("strtab", Status(std::unexpected(std::move(name).error())));
      continue;
    }
    if (name->empty()) continue;
    if (name->size() > budget.name_bytes) {
      budget.name_bytes = 0;
      return Fail(ErrorCode::kLimit, "the modules' names are longer than there is room for");
    }
    budget.name_bytes -= name->size();
    const char kind = has_kinds ? static_cast<char>(kinds[i]) : static_cast<char>(symbol.info);
    symbols.push_back({*std::move(name), symbol, kind});
  }
  return status;
}

}  // namespace

Status LoadModuleSymbols(const Kernel& kernel, const Module& module, ModuleSymbolBudget& budget,
                         symbols::SymbolTable& table, Findings& findings) {
  uint32_t index = table.AddModule(module.name, module.text);
  HMEM_ASSIGN(VirtAddr kallsyms, kernel.MemberPointer(module.address, "module", "kallsyms"));
  if (kallsyms.value == 0) return {};
  HMEM_ASSIGN(Tables tables, ReadTables(kernel, kallsyms));
  if (tables.count > kMaxSymbols) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} symbols, at most {}", tables.count, kMaxSymbols));
  }
  if (tables.count > budget.symbols || (tables.count > 0 && budget.name_bytes == 0)) {
    return Fail(ErrorCode::kLimit, fmt::format("{} symbols; the modules before left room for {}",
                                               tables.count, budget.symbols));
  }
  // What is looked at counts, not what is found: the time is bounded too.
  budget.symbols -= tables.count;
  std::vector<Named> symbols;
  Status limit;
  for (uint64_t first = 0; first < tables.count && limit; first += kSymbolsAtOnce) {
    const uint64_t n = std::min(kSymbolsAtOnce, tables.count - first);
    Status status = ReadBatch(kernel, tables, first, n, budget, symbols);
    if (status) continue;
    if (status.error().code() == ErrorCode::kLimit) {
      limit = std::move(status);
      continue;
    }
    findings.Add(Severity::kLoss, "walk.modules.symbols-lost",
                 fmt::format("{}: symbols {} to {}: {}", module.name, first, first + n - 1,
                             status.error().ToString()),
                 "some symbols of a module cannot be read; their addresses are shown as numbers");
  }
  SizeToNextSymbol(module.text, symbols);
  for (const Named& named : symbols) {
    table.Add(index, named.name, VirtAddr(named.symbol.value), named.symbol.size_bytes, named.kind);
  }
  return limit;
}

Result<unwind::OrcTable> ModuleOrcTable(const Kernel& kernel, const Module& module) {
  unwind::OrcTable table{.name = module.name, .code = module.text};
  HMEM_ASSIGN(table.count, kernel.Member(module.address, "module", "arch.num_orcs"));
  HMEM_ASSIGN(table.ip_table, kernel.MemberPointer(module.address, "module", "arch.orc_unwind_ip"));
  HMEM_ASSIGN(table.entry_table, kernel.MemberPointer(module.address, "module", "arch.orc_unwind"));
  if (table.count == 0 || table.ip_table.value == 0 || table.entry_table.value == 0) {
    return Fail(ErrorCode::kNotFound, fmt::format("module {} has no ORC table", module.name));
  }
  return table;
}

}  // namespace hmem::walk
