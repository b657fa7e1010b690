// SPDX-License-Identifier: GPL-2.0-or-later
// What a module brings for reading stacks: its own kallsyms (struct mod_kallsyms: an ELF symbol
// table kept in memory) and its ORC tables (struct mod_arch_specific).
#pragma once

#include <cstdint>

#include "dumptools/symbols/symbol_table.h"
#include "dumptools/unwind/orc_tables.h"
#include "dumptools/walk/kernel.h"
#include "dumptools/walk/modules.h"

namespace hmem::walk {

// What all modules together may bring: a damaged list may lead to one table again and again.
struct ModuleSymbolBudget {
  uint64_t symbols = 4 << 20;
  uint64_t name_bytes = 64 << 20;
};

// Adds the module and its symbols; the table is to be sealed afterwards. Symbols without name or
// section are left out; those that cannot be read are a finding. kCorrupt: more than 1 Mi symbols.
// kLimit: more than the budget has left; what it had room for is added.
Status LoadModuleSymbols(const Kernel& kernel, const Module& module, ModuleSymbolBudget& budget,
                         symbols::SymbolTable& table, Findings& findings);

// kNotFound: the module was built without ORC.
Result<unwind::OrcTable> ModuleOrcTable(const Kernel& kernel, const Module& module);

}  // namespace hmem::walk
