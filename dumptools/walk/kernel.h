// SPDX-License-Identifier: GPL-2.0-or-later
// The crashed kernel, opened: everything the walkers read through. Pieces that a dump lacks are
// absent with their error, and each walker says which piece it missed; nothing here prints or
// judges.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "arch/arch.h"
#include "dumptools/symbols/symbol_table.h"
#include "dumptools/types/btf.h"
#include "dumptools/types/type_db.h"
#include "dumptools/unwind/unwinder.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"
#include "hmem/space/address_space.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::walk {

struct Module;  // modules.h

struct OpenOptions {
  bool modules = true;  // module symbols and ORC too
};

// Not thread-safe: translations, member offsets and modules' types are cached.
class Kernel {
 public:
  // Order: VMCOREINFO, translation, kallsyms, BTF, modules, ORC. Fails only when the memory cannot
  // be addressed at all (no VMCOREINFO, no translation); later pieces that fail become findings.
  // `source` must outlive it.
  static Result<std::unique_ptr<Kernel>> Open(const source::MemorySource& source,
                                              const OpenOptions& options = {});

  // From pieces found otherwise; `symbols` is sealed, `types` and `unwinder` may be absent.
  struct Pieces {
    space::Vmcoreinfo vmcoreinfo;
    symbols::SymbolTable symbols;
    std::unique_ptr<types::TypeDb> types;
    std::unique_ptr<unwind::Unwinder> unwinder;
  };
  static std::unique_ptr<Kernel> Assemble(const source::MemorySource& source,
                                          const arch::Arch& arch, space::AddressSpace memory,
                                          Pieces pieces);

  const source::MemorySource& source() const { return *source_; }
  const arch::Arch& arch() const { return *arch_; }
  const space::Vmcoreinfo& vmcoreinfo() const { return vmcoreinfo_; }
  const space::AddressSpace& memory() const { return *memory_; }
  const symbols::SymbolTable& symbols() const { return symbols_; }
  // kMissingDebugInfo when the dump has no usable BTF.
  Result<const types::TypeDb*> types() const;
  // Split BTF of a module, read when it is first asked for: most programs never do, and all of it
  // is as much as a capture kernel's memory. kMissingDebugInfo: it has none. Other errors become
  // findings too; kLimit: more than 64 MiB of one module or 256 MiB of all.
  Result<const types::TypeDb*> module_types(std::string_view module) const;
  // kUnsupported or kMissingDebugInfo when stacks cannot be unwound.
  Result<const unwind::Unwinder*> unwinder() const;
  const Findings& findings() const { return findings_; }

  // Run-time address of a kernel symbol: VMCOREINFO first, kallsyms second. kMissingDebugInfo names
  // it.
  Result<VirtAddr> SymbolAddress(std::string_view name) const;
  // Address of a per-CPU variable on `cpu`. kMissingDebugInfo, kNotMapped.
  Result<VirtAddr> PerCpu(std::string_view symbol, uint32_t cpu) const;
  Result<VirtAddr> PerCpuPointer(VirtAddr per_cpu_pointer, uint32_t cpu) const;

  // Reads a member as an unsigned number; sign-extended for signed types. The error names
  // structure, member and address.
  Result<uint64_t> Member(VirtAddr object, std::string_view type_name, std::string_view path) const;
  Result<VirtAddr> MemberPointer(VirtAddr object, std::string_view type_name,
                                 std::string_view path) const;
  // A char array member up to its NUL, at most 4 KiB.
  Result<std::string> MemberText(VirtAddr object, std::string_view type_name,
                                 std::string_view path) const;
  Result<VirtAddr> MemberAddress(VirtAddr object, std::string_view type_name,
                                 std::string_view path) const;
  // The object that holds `member` as its member `path` (the kernel's container_of).
  Result<VirtAddr> Container(VirtAddr member, std::string_view type_name,
                             std::string_view path) const;
  bool HasMember(std::string_view type_name, std::string_view path) const;
  Result<uint64_t> SizeOf(std::string_view type_name) const;

 private:
  struct MemberPlace {
    types::Field field;
    bool is_signed = false;
  };

  Kernel() = default;
  void LoadSymbols();
  void LoadTypes();
  std::vector<Module> LoadModules();
  void LoadUnwinder(const std::vector<Module>& modules);
  void FindModuleTypes() const;
  Result<std::unique_ptr<types::Btf>> LoadModuleTypes(std::string_view module) const;
  Result<MemberPlace> FindMember(std::string_view type_name, std::string_view path) const;

  const source::MemorySource* source_ = nullptr;
  const arch::Arch* arch_ = nullptr;
  space::Vmcoreinfo vmcoreinfo_;
  std::optional<space::AddressSpace> memory_;
  symbols::SymbolTable symbols_;
  std::unique_ptr<types::TypeDb> types_;
  const types::Btf* btf_ = nullptr;  // types_, when they are BTF
  struct ModuleBtf {
    VirtAddr data;
    uint64_t bytes = 0;
  };
  // Where btf_modules keeps each module's, filled at the first request; then those parsed.
  mutable std::optional<std::map<std::string, ModuleBtf, std::less<>>> module_btf_;
  mutable std::map<std::string, Result<std::unique_ptr<types::Btf>>, std::less<>> module_types_;
  mutable uint64_t module_btf_left_bytes_ = 256 << 20;
  std::unique_ptr<unwind::Unwinder> unwinder_;
  std::optional<Error> types_error_, unwinder_error_;
  mutable Findings findings_;
  // By "type.path"; the names come from the walkers, so it stays small.
  mutable std::unordered_map<std::string, Result<MemberPlace>> members_;
};

}  // namespace hmem::walk
