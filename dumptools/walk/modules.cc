// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/modules.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "dumptools/symbols/symbol_table.h"
#include "dumptools/walk/list.h"
#include "hmem/format/elf_note.h"

namespace hmem::walk {
namespace {

constexpr size_t kMaxModules = symbols::SymbolTable::kMaxModules;
constexpr size_t kMaxUsers = 4096;
constexpr uint64_t kMaxPartBytes = uint64_t{1} << 30;
constexpr size_t kMaxVersionBytes = 128;
constexpr uint64_t kMaxNoteSections = 64;
constexpr uint64_t kMaxNoteBytes = 4096;
constexpr size_t kBuildIdBytes = 20;

// kernel/panic.c taint_flags, TAINT_PROPRIETARY_MODULE (0) to TAINT_FWCTL (19, 6.15).
constexpr std::string_view kTaintLetters = "PFSRMBUDAWCIOELKXTNJ";

constexpr std::array<std::string_view, 4> kStates = {"live", "coming", "going", "unformed"};

std::string Hex(std::span<const std::byte> bytes) {
  std::string text;
  for (std::byte b : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return text;
}

// One of a module's pieces of memory. `text_bytes` counts from its start.
Status AddPart(Module& module, VirtAddr base, uint64_t bytes, uint64_t text_bytes) {
  if (bytes == 0) return {};
  if (bytes > kMaxPartBytes || text_bytes > bytes || base.value + bytes < base.value) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} bytes at {:#x}, of which {} are text", bytes,
                                                 base.value, text_bytes));
  }
  module.size_bytes += bytes;
  module.memory.push_back({base, base + bytes});
  if (text_bytes > 0) module.text.push_back({base, base + text_bytes});
  return {};
}

// 6.4+ (ac3b43283923): struct module_memory mem[], by enum mod_mem_type.
Status ReadMemoryParts(const Kernel& kernel, Module& module) {
  HMEM_ASSIGN(const types::TypeDb* types, kernel.types());
  HMEM_ASSIGN(types::Field mem, types->Member("module", "mem"));
  HMEM_ASSIGN(types::TypeInfo info, types->Resolve(mem.type));
  constexpr uint64_t kMaxParts = 16;
  int64_t text = types->Enumerator("MOD_TEXT").value_or(0);
  int64_t init_text = types->Enumerator("MOD_INIT_TEXT").value_or(-1);
  HMEM_ASSIGN(uint64_t part_bytes, kernel.SizeOf("module_memory"));
  for (uint64_t i = 0; i < std::min(info.count, kMaxParts); ++i) {
    VirtAddr part = module.address + mem.offset_bytes + i * part_bytes;
    HMEM_ASSIGN(VirtAddr base, kernel.MemberPointer(part, "module_memory", "base"));
    HMEM_ASSIGN(uint64_t bytes, kernel.Member(part, "module_memory", "size"));
    bool is_text = static_cast<int64_t>(i) == text || static_cast<int64_t>(i) == init_text;
    HMEM_TRY(AddPart(module, base, bytes, is_text ? bytes : 0));
  }
  return {};
}

// 4.5 to 6.3: struct module_layout, text first.
Status ReadLayoutParts(const Kernel& kernel, Module& module) {
  for (std::string_view layout : {"core_layout", "init_layout", "data_layout"}) {
    if (!kernel.HasMember("module", layout)) continue;
    HMEM_ASSIGN(VirtAddr at, kernel.MemberAddress(module.address, "module", layout));
    HMEM_ASSIGN(VirtAddr base, kernel.MemberPointer(at, "module_layout", "base"));
    HMEM_ASSIGN(uint64_t bytes, kernel.Member(at, "module_layout", "size"));
    HMEM_ASSIGN(uint64_t text_bytes, kernel.Member(at, "module_layout", "text_size"));
    HMEM_TRY(AddPart(module, base, bytes, text_bytes));
  }
  return {};
}

// The GNU build-id in one note section; empty when it is not there.
std::string BuildIdInNotes(const Kernel& kernel, VirtAddr at, uint64_t bytes) {
  if (bytes == 0 || bytes > kMaxNoteBytes) return {};
  std::vector<std::byte> section(bytes);
  if (!kernel.memory().Read(at, section)) return {};
  Result<std::vector<format::Note>> notes = format::ParseNotes(section, kernel.memory().endian());
  if (!notes) return {};
  for (const format::Note& note : *notes) {
    if (note.name == "GNU" && note.type == NT_GNU_BUILD_ID) return Hex(note.desc);
  }
  return {};
}

// kernel/module/sysfs.c: one bin_attribute for each note section, its address in `private`.
Result<std::string> BuildIdFromAttributes(const Kernel& kernel, const Module& module) {
  HMEM_ASSIGN(VirtAddr notes, kernel.MemberPointer(module.address, "module", "notes_attrs"));
  if (notes.value == 0) return std::string();
  HMEM_ASSIGN(VirtAddr attributes, kernel.MemberAddress(notes, "module_notes_attrs", "attrs"));
  HMEM_ASSIGN(uint64_t attribute_bytes, kernel.SizeOf("bin_attribute"));
  uint64_t count = 0;
  if (kernel.HasMember("module_notes_attrs", "notes")) {
    HMEM_ASSIGN(count, kernel.Member(notes, "module_notes_attrs", "notes"));
  } else {
    // 6.14+: the group's NULL-terminated list of pointers to them.
    HMEM_ASSIGN(VirtAddr list, kernel.MemberPointer(notes, "module_notes_attrs", "grp.bin_attrs"));
    for (; count < kMaxNoteSections; ++count) {
      HMEM_ASSIGN(
          VirtAddr next,
          kernel.memory().Pointer(list + count * static_cast<uint64_t>(kernel.arch().word_bytes)));
      if (next.value == 0) break;
    }
  }
  for (uint64_t i = 0; i < std::min(count, kMaxNoteSections); ++i) {
    VirtAddr attribute = attributes + i * attribute_bytes;
    HMEM_ASSIGN(VirtAddr at, kernel.MemberPointer(attribute, "bin_attribute", "private"));
    HMEM_ASSIGN(uint64_t bytes, kernel.Member(attribute, "bin_attribute", "size"));
    std::string id = BuildIdInNotes(kernel, at, bytes);
    if (!id.empty()) return id;
  }
  return std::string();
}

Result<std::string> ReadBuildId(const Kernel& kernel, const Module& module) {
  if (kernel.HasMember("module", "build_id")) {  // CONFIG_STACKTRACE_BUILD_ID
    HMEM_ASSIGN(VirtAddr at, kernel.MemberAddress(module.address, "module", "build_id"));
    std::array<std::byte, kBuildIdBytes> id;
    HMEM_TRY(kernel.memory().Read(at, id));
    if (std::ranges::any_of(id, [](std::byte b) { return b != std::byte{0}; })) return Hex(id);
  }
  if (!kernel.HasMember("module", "notes_attrs")) return std::string();
  return BuildIdFromAttributes(kernel, module);
}

Status ReadUsers(const Kernel& kernel, Module& module, Findings& findings) {
  if (!kernel.HasMember("module", "source_list")) return {};  // !CONFIG_MODULE_UNLOAD
  HMEM_ASSIGN(VirtAddr head, kernel.MemberAddress(module.address, "module", "source_list"));
  Status status;
  ForEachListEntry(
      kernel.memory(), head, kMaxUsers, fmt::format("module {}: source_list", module.name),
      findings, [&](VirtAddr entry) {
        auto name = [&]() -> Result<std::string> {
          HMEM_ASSIGN(VirtAddr use, kernel.Container(entry, "module_use", "source_list"));
          HMEM_ASSIGN(VirtAddr user, kernel.MemberPointer(use, "module_use", "source"));
          return kernel.MemberText(user, "module", "name");
        };
        Result<std::string> user = name();
        if (user) {
          module.used_by.push_back(*std::move(user));
        } else {
          status = std::unexpected(std::move(user).error());
        }
        return status.has_value();
      });
  return status;
}

std::string Letters(uint64_t mask) {
  std::string letters;
  for (size_t i = 0; i < kTaintLetters.size(); ++i) {
    if ((mask >> i & 1) != 0) letters += kTaintLetters[i];
  }
  return letters;
}

// Name and state; a module that has neither is none.
Result<Module> ReadBasics(const Kernel& kernel, VirtAddr address) {
  Module module{.address = address};
  HMEM_ASSIGN(module.name, kernel.MemberText(address, "module", "name"));
  if (module.name.empty()) return Fail(ErrorCode::kCorrupt, "a module without a name");
  HMEM_ASSIGN(uint64_t state, kernel.Member(address, "module", "state"));
  if (state >= kStates.size()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("module {}: state {}", module.name, state));
  }
  module.state = kStates[state];
  return module;
}

void ReadRest(const Kernel& kernel, Module& module, Findings& findings) {
  auto note = [&](std::string_view piece, const Status& status) {
    if (status) return;
    findings.Add(Severity::kLoss, "walk.modules.incomplete",
                 fmt::format("{}: {}: {}", module.name, piece, status.error().ToString()),
                 "something of a module cannot be read");
  };
  note("memory", kernel.HasMember("module", "mem") ? ReadMemoryParts(kernel, module)
                                                   : ReadLayoutParts(kernel, module));
  if (module.state == "unformed") return;  // nothing else of it is set
  auto taints = [&]() -> Status {
    HMEM_ASSIGN(module.taints, kernel.Member(module.address, "module", "taints"));
    module.taint_letters = Letters(module.taints);
    return {};
  };
  note("taints", taints());
  auto version = [&]() -> Status {
    HMEM_ASSIGN(VirtAddr text, kernel.MemberPointer(module.address, "module", "version"));
    if (text.value == 0) return {};
    HMEM_ASSIGN(module.version, kernel.memory().Text(text, kMaxVersionBytes));
    return {};
  };
  note("version", version());
  auto build_id = [&]() -> Status {
    HMEM_ASSIGN(module.build_id, ReadBuildId(kernel, module));
    return {};
  };
  note("build-id", build_id());
  note("users", ReadUsers(kernel, module, findings));
}

}  // namespace

Result<std::vector<Module>> ReadModules(const Kernel& kernel, Findings& findings) {
  HMEM_ASSIGN(VirtAddr head, Within("modules", kernel.SymbolAddress("modules")));
  HMEM_TRY(Within("modules", kernel.MemberAddress(head, "module", "list")));
  std::vector<Module> modules;
  ForEachListEntry(kernel.memory(), head, kMaxModules, "modules", findings, [&](VirtAddr entry) {
    Result<VirtAddr> address = kernel.Container(entry, "module", "list");
    if (!address) return false;
    Result<Module> module = ReadBasics(kernel, *address);
    if (!module) {
      findings.Add(
          Severity::kLoss, "walk.modules.bad",
          fmt::format("struct module at {:#x}: {}", address->value, module.error().ToString()),
          "an entry of the module list is no module and is skipped");
      return true;
    }
    ReadRest(kernel, *module, findings);
    modules.push_back(*std::move(module));
    return true;
  });
  return modules;
}

std::string TaintLetters(uint64_t mask) { return Letters(mask); }

}  // namespace hmem::walk
