// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dumptools/symbols/kallsyms.h"
#include "dumptools/unwind/orc_tables.h"
#include "dumptools/unwind/orc_unwinder.h"
#include "dumptools/walk/list.h"
#include "dumptools/walk/module_symbols.h"
#include "dumptools/walk/modules.h"

namespace hmem::walk {
namespace {

constexpr uint32_t kMaxCpus = 8192;
constexpr size_t kMaxModules = symbols::SymbolTable::kMaxModules;
constexpr uint64_t kMaxModuleBtfBytes = 64 << 20;
constexpr uint64_t kMaxTextBytes = 4096;  // a member is as long as the dump's BTF says

}  // namespace

Result<std::unique_ptr<Kernel>> Kernel::Open(const source::MemorySource& source,
                                             const OpenOptions& options) {
  std::unique_ptr<Kernel> kernel(new Kernel());
  kernel->source_ = &source;
  HMEM_ASSIGN(kernel->arch_,
              arch::FindArch(source.elf_machine(), source.word_bytes(), source.endian()));
  HMEM_ASSIGN(kernel->vmcoreinfo_, space::Vmcoreinfo::FromSource(source, kernel->findings_));
  HMEM_ASSIGN(kernel->memory_, space::AddressSpace::Create(source, *kernel->arch_,
                                                           kernel->vmcoreinfo_, kernel->findings_));
  kernel->LoadSymbols();
  kernel->LoadTypes();
  std::vector<Module> modules;
  if (options.modules) modules = kernel->LoadModules();
  kernel->LoadUnwinder(modules);
  return kernel;
}

std::unique_ptr<Kernel> Kernel::Assemble(const source::MemorySource& source, const arch::Arch& arch,
                                         space::AddressSpace memory, Pieces pieces) {
  std::unique_ptr<Kernel> kernel(new Kernel());
  kernel->source_ = &source;
  kernel->arch_ = &arch;
  kernel->vmcoreinfo_ = std::move(pieces.vmcoreinfo);
  kernel->memory_ = std::move(memory);
  kernel->symbols_ = std::move(pieces.symbols);
  kernel->types_ = std::move(pieces.types);
  kernel->btf_ = dynamic_cast<const types::Btf*>(kernel->types_.get());
  kernel->unwinder_ = std::move(pieces.unwinder);
  return kernel;
}

void Kernel::LoadSymbols() {
  if (Status status = symbols::LoadKallsyms(*memory_, vmcoreinfo_, symbols_, findings_); !status) {
    findings_.Add(Severity::kLoss, "walk.kernel.no-symbols", status.error().ToString(),
                  "the kernel's symbols cannot be read; addresses are shown as numbers");
  }
  symbols_.Seal();
}

void Kernel::LoadTypes() {
  Result<std::unique_ptr<types::Btf>> btf = types::Btf::FromKernel(*memory_, symbols_, findings_);
  if (!btf) {
    types_error_ = std::move(btf).error();
    findings_.Add(
        Severity::kLoss, "walk.kernel.no-types", types_error_->ToString(),
        "the kernel's BTF cannot be read; tasks, modules and other structures cannot be shown");
    return;
  }
  btf_ = btf->get();
  types_ = *std::move(btf);
}

std::vector<Module> Kernel::LoadModules() {
  if (!types_) return {};
  Result<std::vector<Module>> modules = ReadModules(*this, findings_);
  if (!modules) {
    findings_.Add(Severity::kLoss, "walk.kernel.no-modules", modules.error().ToString(),
                  "modules cannot be listed; their symbols and stacks are missing");
    return {};
  }
  ModuleSymbolBudget budget;
  for (const Module& module : *modules) {
    Status status = LoadModuleSymbols(*this, module, budget, symbols_, findings_);
    if (status) continue;
    const std::string place = fmt::format("{}: {}", module.name, status.error().ToString());
    if (status.error().code() == ErrorCode::kLimit) {
      findings_.Add(Severity::kLoss, "walk.modules.too-many-symbols", place,
                    "modules have more symbols than are read; addresses of some are shown as "
                    "numbers");
    } else {
      findings_.Add(Severity::kLoss, "walk.modules.no-symbols", place,
                    "a module's symbols cannot be read; its addresses are shown as numbers");
    }
  }
  symbols_.Seal();
  return *std::move(modules);
}

// struct module lets go of its BTF when the module is up; btf_modules keeps the kernel's copy.
void Kernel::FindModuleTypes() const {
  module_btf_.emplace();
  if (btf_ == nullptr || !HasMember("btf_module", "btf")) return;
  Result<VirtAddr> head = SymbolAddress("btf_modules");
  if (!head) return;
  auto find = [&](VirtAddr entry) -> Status {
    HMEM_ASSIGN(VirtAddr item, Container(entry, "btf_module", "list"));
    HMEM_ASSIGN(VirtAddr btf, MemberPointer(item, "btf_module", "btf"));
    HMEM_ASSIGN(std::string name, MemberText(btf, "btf", "name"));
    ModuleBtf found;
    HMEM_ASSIGN(found.data, MemberPointer(btf, "btf", "data"));
    HMEM_ASSIGN(found.bytes, Member(btf, "btf", "data_size"));
    module_btf_->emplace(std::move(name), found);
    return {};
  };
  ForEachListEntry(*memory_, *head, kMaxModules, "btf_modules", findings_, [&](VirtAddr entry) {
    if (Status status = find(entry); !status) {
      findings_.Add(Severity::kLoss, "walk.modules.no-types", status.error().ToString(),
                    "a module's BTF cannot be read; its structures are unknown");
    }
    return true;
  });
}

Result<std::unique_ptr<types::Btf>> Kernel::LoadModuleTypes(std::string_view module) const {
  if (!module_btf_) FindModuleTypes();
  auto it = module_btf_->find(module);
  if (it == module_btf_->end()) {
    return Fail(ErrorCode::kMissingDebugInfo,
                fmt::format("module {} has no types in this dump", module));
  }
  auto load = [&]() -> Result<std::unique_ptr<types::Btf>> {
    const ModuleBtf& btf = it->second;
    if (btf.bytes > std::min(kMaxModuleBtfBytes, module_btf_left_bytes_)) {
      return Fail(ErrorCode::kLimit, fmt::format("{} bytes of BTF, with room for {}", btf.bytes,
                                                 module_btf_left_bytes_));
    }
    module_btf_left_bytes_ -= btf.bytes;
    std::vector<std::byte> bytes(btf.bytes);
    HMEM_TRY(memory_->Read(btf.data, bytes));
    return types::Btf::Parse(std::move(bytes), arch_->word_bytes, btf_);
  };
  Result<std::unique_ptr<types::Btf>> loaded = Within(fmt::format("module {}", module), load());
  if (!loaded) {
    findings_.Add(Severity::kLoss, "walk.modules.no-types", loaded.error().ToString(),
                  "a module's BTF cannot be read; its structures are unknown");
  }
  return loaded;
}

void Kernel::LoadUnwinder(const std::vector<Module>& modules) {
  auto load = [&]() -> Status {
    HMEM_ASSIGN(unwind::OrcTables tables, unwind::OrcTables::Create(*memory_, symbols_, findings_));
    if (types_ && HasMember("module", "arch.num_orcs")) {
      for (const Module& module : modules) {
        Result<unwind::OrcTable> table = ModuleOrcTable(*this, module);
        if (table) {
          tables.AddModule(*std::move(table));
        } else if (table.error().code() != ErrorCode::kNotFound) {
          findings_.Add(Severity::kLoss, "walk.modules.no-orc",
                        fmt::format("{}: {}", module.name, table.error().ToString()),
                        "a module's ORC table cannot be found; stacks are guessed where they pass "
                        "through it");
        }
      }
    }
    HMEM_ASSIGN(unwinder_,
                unwind::OrcUnwinder::Create(*arch_, *memory_, symbols_, std::move(tables)));
    return {};
  };
  if (Status status = load(); !status) {
    unwinder_error_ = std::move(status).error();
    findings_.Add(Severity::kLoss, "walk.kernel.no-unwinder", unwinder_error_->ToString(),
                  "stacks cannot be unwound");
  }
}

Result<const types::TypeDb*> Kernel::types() const {
  if (types_) return types_.get();
  if (types_error_) return std::unexpected(*types_error_);
  return Fail(ErrorCode::kMissingDebugInfo, "no types in this dump");
}

Result<const types::TypeDb*> Kernel::module_types(std::string_view module) const {
  auto it = module_types_.find(module);
  if (it == module_types_.end()) {
    it = module_types_.emplace(std::string(module), LoadModuleTypes(module)).first;
  }
  if (!it->second) return std::unexpected(it->second.error());
  return it->second->get();
}

Result<const unwind::Unwinder*> Kernel::unwinder() const {
  if (unwinder_) return unwinder_.get();
  if (unwinder_error_) return std::unexpected(*unwinder_error_);
  return Fail(ErrorCode::kUnsupported, fmt::format("stacks on architecture {}", arch_->name));
}

Result<VirtAddr> Kernel::SymbolAddress(std::string_view name) const {
  if (std::optional<VirtAddr> address = vmcoreinfo_.Symbol(name)) return *address;
  if (std::optional<symbols::Symbol> symbol = symbols_.Find(name, "")) return symbol->address;
  return Fail(ErrorCode::kMissingDebugInfo, fmt::format("no symbol {}", name));
}

Result<VirtAddr> Kernel::PerCpu(std::string_view symbol, uint32_t cpu) const {
  HMEM_ASSIGN(VirtAddr address, SymbolAddress(symbol));
  return PerCpuPointer(address, cpu);
}

Result<VirtAddr> Kernel::PerCpuPointer(VirtAddr per_cpu_pointer, uint32_t cpu) const {
  if (cpu >= kMaxCpus) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("cpu {}: at most {}", cpu, kMaxCpus));
  }
  Result<VirtAddr> offsets = SymbolAddress("__per_cpu_offset");
  if (!offsets) {
    // A kernel for one CPU has plain variables.
    if (cpu == 0 && symbols_.size() > 0) return per_cpu_pointer;
    return std::unexpected(std::move(offsets).error());
  }
  HMEM_ASSIGN(uint64_t offset,
              Within(fmt::format("__per_cpu_offset[{}]", cpu),
                     memory_->Word(*offsets + cpu * static_cast<uint64_t>(arch_->word_bytes))));
  uint64_t address = per_cpu_pointer.value + offset;
  if (arch_->word_bytes == 4) address &= 0xffffffff;
  return VirtAddr(address);
}

Result<Kernel::MemberPlace> Kernel::FindMember(std::string_view type_name,
                                               std::string_view path) const {
  std::string key;
  key.reserve(type_name.size() + path.size() + 1);
  key.append(type_name).append(".").append(path);
  if (auto it = members_.find(key); it != members_.end()) return it->second;
  auto find = [&]() -> Result<MemberPlace> {
    HMEM_ASSIGN(const types::TypeDb* db, types());
    MemberPlace place;
    HMEM_ASSIGN(place.field, db->Member(type_name, path));
    HMEM_ASSIGN(types::TypeInfo info, db->Resolve(place.field.type));
    place.is_signed = info.is_signed;
    return place;
  };
  return members_.emplace(std::move(key), find()).first->second;
}

bool Kernel::HasMember(std::string_view type_name, std::string_view path) const {
  return FindMember(type_name, path).has_value();
}

Result<uint64_t> Kernel::SizeOf(std::string_view type_name) const {
  HMEM_ASSIGN(const types::TypeDb* db, types());
  return db->SizeOf(type_name);
}

Result<VirtAddr> Kernel::MemberAddress(VirtAddr object, std::string_view type_name,
                                       std::string_view path) const {
  HMEM_ASSIGN(MemberPlace place, FindMember(type_name, path));
  return object + place.field.offset_bytes;
}

Result<VirtAddr> Kernel::Container(VirtAddr member, std::string_view type_name,
                                   std::string_view path) const {
  HMEM_ASSIGN(MemberPlace place, FindMember(type_name, path));
  return member - place.field.offset_bytes;
}

Result<uint64_t> Kernel::Member(VirtAddr object, std::string_view type_name,
                                std::string_view path) const {
  HMEM_ASSIGN(MemberPlace place, FindMember(type_name, path));
  const types::Field& field = place.field;
  auto where = [&] { return fmt::format("{}.{} of {:#x}", type_name, path, object.value); };
  uint64_t value = 0;
  uint64_t bits = field.size_bytes * 8;
  if (field.bit_size == 0) {
    Result<uint64_t> read = memory_->Unsigned(object + field.offset_bytes, field.size_bytes);
    if (!read) return std::unexpected(std::move(read).error().Within(where()));
    value = *read;
  } else {
    bits = field.bit_size;
    uint64_t last_bit = uint64_t{field.bit_offset} + bits;
    if (last_bit > 64 || arch_->endian != Endian::kLittle) {
      return Fail(ErrorCode::kUnsupported, fmt::format("{}: bit field of {} bits at bit {}",
                                                       where(), bits, field.bit_offset));
    }
    std::array<std::byte, 8> bytes{};
    Status status =
        memory_->Read(object + field.offset_bytes, std::span(bytes).first((last_bit + 7) / 8));
    if (!status) return std::unexpected(std::move(status).error().Within(where()));
    value = Load<uint64_t>(bytes.data(), Endian::kLittle) >> field.bit_offset;
    if (bits < 64) value &= (uint64_t{1} << bits) - 1;
  }
  if (place.is_signed && bits < 64 && (value >> (bits - 1) & 1) != 0) {
    value |= ~uint64_t{0} << bits;
  }
  return value;
}

Result<VirtAddr> Kernel::MemberPointer(VirtAddr object, std::string_view type_name,
                                       std::string_view path) const {
  HMEM_ASSIGN(uint64_t value, Member(object, type_name, path));
  return VirtAddr(value);
}

Result<std::string> Kernel::MemberText(VirtAddr object, std::string_view type_name,
                                       std::string_view path) const {
  HMEM_ASSIGN(MemberPlace place, FindMember(type_name, path));
  Result<std::string> text = memory_->Text(object + place.field.offset_bytes,
                                           std::min(place.field.size_bytes, kMaxTextBytes));
  if (text) return text;
  return std::unexpected(
      std::move(text).error().Within(fmt::format("{}.{} of {:#x}", type_name, path, object.value)));
}

}  // namespace hmem::walk
