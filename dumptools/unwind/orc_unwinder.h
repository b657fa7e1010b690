// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's own unwinder on x86_64 (arch/x86/kernel/unwind_orc.c), on memory that nobody vouches
// for.
//
// Every rule of the kernel's is kept: return addresses are looked up one byte before, interrupted
// frames where they are; stacks are switched through saved stack pointers and pt_regs. Where the
// kernel knows its stacks and refuses to leave them, a dump only has memory: any stack in kernel
// memory is taken that makes progress, the number of switches is bounded, and no stack is entered
// twice at one place.
//
// Code without ORC is of two kinds. A function that objtool was told to leave alone, as
// __crash_kexec, where the stack of every panic begins: the stack is searched for the return
// address behind a call to that very function, which is proof. Generated code (BPF, trampolines):
// its frame pointer, else the next address behind any call; such frames are not `reliable`.
//
// A return address that a return probe or the function graph tracer replaced ends the stack.
#pragma once

#include <memory>

#include "arch/arch.h"
#include "dumptools/symbols/symbol_table.h"
#include "dumptools/unwind/orc_tables.h"
#include "dumptools/unwind/unwinder.h"
#include "hmem/base/virt_reader.h"

namespace hmem::unwind {

class OrcUnwinder final : public Unwinder {
 public:
  // `arch`, `memory` and `symbols` (sealed before the first use) must outlive it. kUnsupported: not
  // an architecture whose ORC this is.
  static Result<std::unique_ptr<OrcUnwinder>> Create(const arch::Arch& arch,
                                                     const VirtReader& memory,
                                                     const symbols::SymbolTable& symbols,
                                                     OrcTables tables);

  Stack Unwind(const Start& start, const Limits& limits) const override;
  const OrcTables& tables() const { return tables_; }

 private:
  // Indices into Arch::registers.
  struct Roles {
    size_t ip, sp, bp, ax, dx, di, r10, r13, cs;
  };
  class Walk;

  OrcUnwinder(const arch::Arch& arch, const VirtReader& memory, const symbols::SymbolTable& symbols,
              OrcTables tables, const Roles& roles)
      : arch_(&arch),
        memory_(&memory),
        symbols_(&symbols),
        tables_(std::move(tables)),
        roles_(roles) {}

  const arch::Arch* arch_;
  const VirtReader* memory_;
  const symbols::SymbolTable* symbols_;
  OrcTables tables_;
  Roles roles_;
};

}  // namespace hmem::unwind
