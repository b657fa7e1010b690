// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's own symbol table out of its memory (kernel/kallsyms.c, scripts/kallsyms.c). Layout
// is decided by what decodes `_stext` to the address that VMCOREINFO gives, never by the release
// number.
#pragma once

#include "dumptools/symbols/symbol_table.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/base/virt_reader.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::symbols {

// Adds every symbol as module 0, to a table without a store. kNotFound: VMCOREINFO has no kallsyms
// keys (kernels before 6.0). kCorrupt: no layout yields `_stext`; the code of a missing page where
// that is why. Other missing pages cost the symbols in them, and a finding. At most 4 Mi symbols,
// 64 MiB of names. The names stay packed, and where they are: what `memory` reads from must outlive
// the table.
Status LoadKallsyms(const VirtReader& memory, const space::Vmcoreinfo& vmcoreinfo,
                    SymbolTable& table, Findings& findings);

}  // namespace hmem::symbols
