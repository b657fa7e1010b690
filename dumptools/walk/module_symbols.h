// SPDX-License-Identifier: GPL-2.0-or-later
// What a module brings for reading stacks: its own kallsyms (struct mod_kallsyms: an ELF symbol
// table kept in memory) and its ORC tables (struct mod_arch_specific).
#pragma once

#include "dumptools/symbols/symbol_table.h"
#include "dumptools/unwind/orc_tables.h"
#include "dumptools/walk/kernel.h"
#include "dumptools/walk/modules.h"

namespace hmem::walk {

// Adds the module and its symbols; the table is to be sealed afterwards. Symbols without name or
// section are left out. kCorrupt: more than 1 Mi symbols.
Status LoadModuleSymbols(const Kernel& kernel, const Module& module, symbols::SymbolTable& table);

// kNotFound: the module was built without ORC.
Result<unwind::OrcTable> ModuleOrcTable(const Kernel& kernel, const Module& module);

}  // namespace hmem::walk
