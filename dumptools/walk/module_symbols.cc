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

}  // namespace

Status LoadModuleSymbols(const Kernel& kernel, const Module& module, symbols::SymbolTable& table) {
  uint32_t index = table.AddModule(module.name, module.text);
  HMEM_ASSIGN(VirtAddr kallsyms, kernel.MemberPointer(module.address, "module", "kallsyms"));
  if (kallsyms.value == 0) return {};
  HMEM_ASSIGN(VirtAddr symtab, kernel.MemberPointer(kallsyms, "mod_kallsyms", "symtab"));
  HMEM_ASSIGN(VirtAddr strtab, kernel.MemberPointer(kallsyms, "mod_kallsyms", "strtab"));
  HMEM_ASSIGN(uint64_t count, kernel.Member(kallsyms, "mod_kallsyms", "num_symtab"));
  if (count > kMaxSymbols) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} symbols, at most {}", count, kMaxSymbols));
  }
  VirtAddr typetab;  // 5.2+; before, the letter stood in st_info
  if (kernel.HasMember("mod_kallsyms", "typetab")) {
    HMEM_ASSIGN(typetab, kernel.MemberPointer(kallsyms, "mod_kallsyms", "typetab"));
  }
  const int word_bytes = kernel.arch().word_bytes;
  const uint64_t symbol_bytes = word_bytes == 8 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  const VirtReader& memory = kernel.memory();
  std::vector<Named> symbols;
  for (uint64_t first = 0; first < count; first += kSymbolsAtOnce) {
    uint64_t n = std::min(kSymbolsAtOnce, count - first);
    std::vector<std::byte> bytes(n * symbol_bytes);
    HMEM_TRY(Within("symtab", memory.Read(symtab + first * symbol_bytes, bytes)));
    std::vector<std::byte> kinds(n, std::byte{'?'});
    if (typetab.value != 0) HMEM_TRY(Within("typetab", memory.Read(typetab + first, kinds)));
    ByteReader reader(bytes, memory.endian(), "symtab");
    for (uint64_t i = 0; i < n; ++i) {
      HMEM_ASSIGN(ElfSymbol symbol, ReadSymbol(reader, word_bytes));
      if (symbol.name == 0 || symbol.section == SHN_UNDEF) continue;
      Result<std::string> name = memory.Text(strtab + symbol.name, kMaxNameBytes);
      if (!name || name->empty()) continue;
      char kind = typetab.value != 0 ? static_cast<char>(kinds[i]) : static_cast<char>(symbol.info);
      symbols.push_back({*std::move(name), symbol, kind});
    }
  }
  SizeToNextSymbol(module.text, symbols);
  for (const Named& named : symbols) {
    table.Add(index, named.name, VirtAddr(named.symbol.value), named.symbol.size_bytes, named.kind);
  }
  return {};
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
