// SPDX-License-Identifier: GPL-2.0-or-later
// One CPU family as run-time data. Any host opens a dump of any CPU; a hook that is absent means
// "not supported for this architecture", never a guess. Adding a CPU adds the folder arch/<cpu>/
// with one `const Arch& <Cpu>Arch()`; the build finds it by the folder's name.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"
#include "hmem/base/phys_reader.h"
#include "hmem/base/result.h"

namespace hmem::arch {

// A register inside elf_prstatus.pr_reg. On x86_64 and ppc32 the same offsets hold inside the
// kernel's struct pt_regs.
struct Register {
  std::string_view name;  // "rip", "rsp", "r1", "nip"
  uint32_t offset;        // bytes from the start of pr_reg
  uint8_t size;           // bytes
};

// struct elf_prstatus as the crashed kernel lays it out (include/linux/elfcore.h). Bytes.
struct PrstatusLayout {
  uint32_t size;
  uint32_t pid_offset;
  uint32_t regs_offset;
  uint32_t regs_size;
};

// What a page-table walk starts from. Found once per dump by the hook below.
struct TranslationFacts {
  PhysAddr root;                 // top-level table
  int levels = 0;                // 4 or 5 on x86_64, 2 on ppc32
  uint64_t kernel_offset = 0;    // kaslr offset: run-time minus link-time address of kernel symbols
  uint64_t phys_base = 0;        // x86_64: physical minus link address of the kernel image
  uint64_t encryption_mask = 0;  // bits of an entry that are not address (x86_64 sme_mask)
  VirtRange fixed{};             // what fixed_translation covers
};

struct Mapping {
  VirtRange virt;  // the page (4 KiB, 2 MiB, 1 GiB ...) that covers the address asked for
  PhysAddr phys;   // of virt.start
};

enum class Half { kKernel, kUser };  // of an address space

// Told what a tree of page tables is made of.
class TableVisitor {
 public:
  virtual ~TableVisitor() = default;
  // A table; false: its branch is left out.
  virtual bool Table(PhysAddr start, uint64_t bytes) = 0;
  virtual void Leaf(const Mapping& mapping) = 0;
  // A table that cannot be read, or an entry (kCorrupt) that leads back to a table above its own.
  virtual void Unreadable(PhysAddr start, const Error& error) = 0;
};

// A number from VMCOREINFO by its whole key, e.g. "NUMBER(phys_base)", "SYMBOL(swapper_pg_dir)",
// "KERNELOFFSET". nullopt when the key is absent.
using NumberLookup = std::function<std::optional<uint64_t>(std::string_view key)>;

// Where the registers of a task that is not running lie, and how its stack is laid out.
struct StackRules {
  // Member path in struct task_struct of the saved stack pointer ("thread.sp").
  std::string_view saved_sp_path;
  // Name of the structure at the saved stack pointer and, in register-table names, its members that
  // are saved registers. x86_64: struct inactive_task_frame {r15,r14,r13,r12,bx,bp,ret_addr}; after
  // it the stack pointer is frame + sizeof.
  std::string_view switch_frame_struct;
  struct SavedRegister {
    std::string_view register_name;  // as in Arch::registers
    std::string_view member;         // in switch_frame_struct
  };
  std::span<const SavedRegister> switch_frame_registers;
  uint64_t default_stack_bytes;  // THREAD_SIZE when the dump does not say
};

struct Arch {
  std::string_view name;  // "x86_64", "ppc32"
  uint16_t elf_machine;   // EM_*
  int word_bytes;         // 4 or 8
  Endian endian;
  PrstatusLayout prstatus;
  std::span<const Register> registers;
  std::string_view pc_register;
  std::string_view sp_register;
  std::string_view fp_register;  // empty: none

  // Reads what a walk needs out of VMCOREINFO. kNotFound names the missing key.
  Result<TranslationFacts> (*translation_facts)(const NumberLookup& numbers);

  // Walks the kernel's page tables. Stateless; safe from several threads if `phys` is.
  // kNotMapped: entry not present, the level is named. kExcluded/kTruncated/kIo: a table page is
  // not in the dump. kCorrupt: an entry that no kernel writes, or a table where there is no RAM.
  Result<Mapping> (*translate)(const PhysReader& phys, const TranslationFacts& facts,
                               VirtAddr addr);

  // Where the kernel lays its image (or lowmem) whatever the tables say: leads to the root, and
  // serves where the tables are damaged. nullopt: outside facts.fixed.
  std::optional<PhysAddr> (*fixed_translation)(const TranslationFacts& facts, VirtAddr addr);

  // Absent (nullptr): not supported. Goes through the tables behind facts.root, in order of virtual
  // addresses and never deeper than a kernel's tables are; a table that several entries lead to is
  // visited as often, so it is the visitor that sets a bound.
  void (*visit_tables)(const PhysReader& phys, const TranslationFacts& facts, Half half,
                       TableVisitor& visitor);

  // Absent (nullptr): stacks of this architecture are not unwound.
  const StackRules* stack_rules;

  const Register* FindRegister(std::string_view register_name) const;
};

// Every architecture of this build, sorted by name. Generated from the folder names.
std::span<const Arch* const> AllArchs();

// By ELF machine number, class and byte order. kUnsupported names all three.
Result<const Arch*> FindArch(uint16_t elf_machine, int word_bytes, Endian endian);

}  // namespace hmem::arch
