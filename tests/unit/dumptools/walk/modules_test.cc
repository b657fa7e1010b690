// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/modules.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dumptools/walk/module_symbols.h"
#include "hmem/format/elf_note.h"
#include "tests/fakes/fake_kernel.h"

namespace hmem::walk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr VirtAddr kText{0xffffffffc0200000};

// kMemory: 6.4 on. kLayout: before.
enum class Shape { kMemory, kLayout };

// What leads to a module's notes: a count until 6.13, a list that ends with NULL from 6.14 on.
enum class NotesBy { kCount, kGroup };

class Modules : public ::testing::TestWithParam<Shape> {
 protected:
  Modules() : Modules(NotesBy::kCount) {}
  explicit Modules(NotesBy notes_by) {
    std::vector<fakes::FakeKernel::Member> members = {{"state", fake.u32, 0},
                                                      {"list", fake.list_head, 8},
                                                      {"name", fake.Text(56), 24},
                                                      {"version", fake.pointer, 80},
                                                      {"taints", fake.u64, 88},
                                                      {"kallsyms", fake.pointer, 96},
                                                      {"notes_attrs", fake.pointer, 104},
                                                      {"source_list", fake.list_head, 112}};
    if (GetParam() == Shape::kMemory) {
      uint32_t memory =
          fake.Struct("module_memory", 16, {{"base", fake.pointer, 0}, {"size", fake.u32, 8}});
      members.push_back({"mem", fake.btf.Array(memory, 7), 128});
      fake.btf.Enum("mod_mem_type", {{"MOD_TEXT", 0},
                                     {"MOD_DATA", 1},
                                     {"MOD_RODATA", 2},
                                     {"MOD_RO_AFTER_INIT", 3},
                                     {"MOD_INIT_TEXT", 4},
                                     {"MOD_INIT_DATA", 5},
                                     {"MOD_INIT_RODATA", 6}});
    } else {
      uint32_t layout = fake.Struct(
          "module_layout", 24,
          {{"base", fake.pointer, 0}, {"size", fake.u32, 8}, {"text_size", fake.u32, 12}});
      members.push_back({"core_layout", layout, 128});
      members.push_back({"init_layout", layout, 152});
    }
    uint32_t arch = fake.Struct("mod_arch_specific", 24,
                                {{"num_orcs", fake.u32, 0},
                                 {"orc_unwind_ip", fake.pointer, 8},
                                 {"orc_unwind", fake.pointer, 16}});
    members.push_back({"arch", arch, 240});
    fake.Struct("module", 264, members);
    fake.Struct("module_use", 48,
                {{"source_list", fake.list_head, 0},
                 {"target_list", fake.list_head, 16},
                 {"source", fake.pointer, 32},
                 {"target", fake.pointer, 40}});
    fake.Struct("mod_kallsyms", 32,
                {{"symtab", fake.pointer, 0},
                 {"num_symtab", fake.u32, 8},
                 {"strtab", fake.pointer, 16},
                 {"typetab", fake.pointer, 24}});
    uint32_t attribute =
        fake.Struct("bin_attribute", 32, {{"size", fake.u64, 8}, {"private", fake.pointer, 16}});
    uint32_t attributes = fake.btf.Array(attribute, 0);
    if (notes_by == NotesBy::kCount) {
      fake.Struct("module_notes_attrs", 16,
                  {{"dir", fake.pointer, 0}, {"notes", fake.u32, 8}, {"attrs", attributes, 16}});
    } else {
      uint32_t group = fake.Struct("attribute_group", 8, {{"bin_attrs", fake.pointer, 0}});
      fake.Struct("module_notes_attrs", 16,
                  {{"dir", fake.pointer, 0}, {"grp", group, 8}, {"attrs", attributes, 16}});
    }
    head = fake.NewBytes(16);
    fake.Symbol("modules", head);
  }

  VirtAddr Add(std::string_view name) {
    VirtAddr module = fake.New("module");
    fake.SetText(module, "module", "name", name);
    if (GetParam() == Shape::kMemory) {
      SetMemory(module, 0, kText, 0x3000);
      SetMemory(module, 1, kText + 0x10000, 0x2000);
      SetMemory(module, 2, kText + 0x20000, 0x1000);
    } else {
      fake.SetPointer(module, "module", "core_layout.base", kText);
      fake.Set(module, "module", "core_layout.size", 0x6000);
      fake.Set(module, "module", "core_layout.text_size", 0x3000);
    }
    fake.List({fake.At(module, "module", "source_list")});
    modules.push_back(module);
    return module;
  }
  void SetMemory(VirtAddr module, int index, VirtAddr base, uint64_t bytes) {
    std::string path = "mem[" + std::to_string(index) + "].";
    fake.SetPointer(module, "module", path + "base", base);
    fake.Set(module, "module", path + "size", bytes);
  }
  // Two note sections, the build-id in the second. Returns the struct module_notes_attrs, where how
  // many there are is to be set.
  VirtAddr AddNotes(VirtAddr module) {
    std::vector<std::byte> id(20, std::byte{0xab});
    std::vector<std::byte> other = format::SerializeNotes(
        std::vector<format::Note>{{"Linux", 0x100, {std::byte{1}}}}, Endian::kLittle);
    std::vector<std::byte> note = format::SerializeNotes(
        std::vector<format::Note>{{"GNU", NT_GNU_BUILD_ID, id}}, Endian::kLittle);
    VirtAddr other_at = fake.NewBytes(other.size()), note_at = fake.NewBytes(note.size());
    fake.Write(other_at, other);
    fake.Write(note_at, note);
    VirtAddr attributes = fake.NewBytes(16 + 2 * 32);
    fake.Set(attributes + 16, "bin_attribute", "size", other.size());
    fake.SetPointer(attributes + 16, "bin_attribute", "private", other_at);
    fake.Set(attributes + 48, "bin_attribute", "size", note.size());
    fake.SetPointer(attributes + 48, "bin_attribute", "private", note_at);
    fake.SetPointer(module, "module", "notes_attrs", attributes);
    return attributes;
  }
  // A symbol table of `count` functions "f0", "f1" ... of 16 bytes each.
  struct Symtab {
    VirtAddr symbols, names;
  };
  Symtab AddSymbols(VirtAddr module, uint32_t count) {
    VirtAddr kallsyms = fake.New("mod_kallsyms"), typetab = fake.NewBytes(count);
    Symtab made{fake.NewBytes(uint64_t{count} * 24), VirtAddr(0)};
    std::string names(1, '\0');
    for (uint32_t i = 0; i < count; ++i) {
      VirtAddr at = made.symbols + uint64_t{i} * 24;
      fake.PutU32(at, static_cast<uint32_t>(names.size()));
      fake.PutU32(at + 4, 3 << 16);
      fake.PutU64(at + 8, kText.value + uint64_t{i} * 16);
      names += "f" + std::to_string(i) + '\0';
    }
    made.names = fake.NewBytes(names.size());
    fake.Write(made.names, std::as_bytes(std::span(names)));
    fake.Write(typetab, std::vector<std::byte>(count, std::byte{'t'}));
    fake.SetPointer(kallsyms, "mod_kallsyms", "symtab", made.symbols);
    fake.SetPointer(kallsyms, "mod_kallsyms", "strtab", made.names);
    fake.SetPointer(kallsyms, "mod_kallsyms", "typetab", typetab);
    fake.Set(kallsyms, "mod_kallsyms", "num_symtab", count);
    fake.SetPointer(module, "module", "kallsyms", kallsyms);
    return made;
  }
  // The symbols of the first module, within the budget.
  Status Load(ModuleSymbolBudget& budget) {
    std::vector<VirtAddr> list = {head};
    for (VirtAddr module : modules) list.push_back(fake.At(module, "module", "list"));
    fake.List(list);
    const Kernel& kernel = fake.Open();
    Result<std::vector<Module>> read = ReadModules(kernel, findings);
    if (!read) return std::unexpected(read.error());
    Status status = LoadModuleSymbols(kernel, read->front(), budget, loaded, findings);
    loaded.Seal();
    return status;
  }
  std::vector<Module> Read() {
    std::vector<VirtAddr> list = {head};
    for (VirtAddr module : modules) list.push_back(fake.At(module, "module", "list"));
    fake.List(list);
    Result<std::vector<Module>> read = ReadModules(fake.Open(), findings);
    EXPECT_TRUE(read) << read.error().ToString();
    return read ? *std::move(read) : std::vector<Module>();
  }
  std::string FindingId() const { return findings.all().empty() ? "" : findings.all()[0].id; }

  static constexpr std::string_view kBuildId = "abababababababababababababababababababab";

  fakes::FakeKernel fake;
  Findings findings;
  symbols::SymbolTable loaded;
  VirtAddr head;
  std::vector<VirtAddr> modules;
};

std::string ShapeName(const ::testing::TestParamInfo<Shape>& shape) {
  return shape.param == Shape::kMemory ? "Memory" : "Layout";
}

INSTANTIATE_TEST_SUITE_P(BothLayouts, Modules, ::testing::Values(Shape::kMemory, Shape::kLayout),
                         ShapeName);

TEST_P(Modules, NameSizeTextAndState) {
  Add("ext4");
  std::vector<Module> read = Read();
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].name, "ext4");
  EXPECT_EQ(read[0].size_bytes, 0x6000u);
  EXPECT_EQ(read[0].state, "live");
  EXPECT_THAT(read[0].text, ElementsAre(VirtRange{kText, kText + 0x3000}));
  EXPECT_THAT(findings.all(), IsEmpty());
}

// A module of data alone: its text has no size (a20eb05).
TEST_P(Modules, ModuleWithoutTextHasNoTextRange) {
  VirtAddr module = Add("data_only");
  if (GetParam() == Shape::kMemory) {
    SetMemory(module, 0, VirtAddr(0), 0);
  } else {
    fake.Set(module, "module", "core_layout.text_size", 0);
  }
  EXPECT_THAT(Read()[0].text, IsEmpty());
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_P(Modules, TaintVersionAndUsers) {
  VirtAddr crc = Add("libcrc32c"), xfs = Add("xfs");
  fake.Set(crc, "module", "taints", 1 << 12 | 1 << 13);
  VirtAddr version = fake.NewBytes(16);
  fake.Write(version, std::as_bytes(std::span("1.2.3")));
  fake.SetPointer(crc, "module", "version", version);
  VirtAddr use = fake.New("module_use");
  fake.SetPointer(use, "module_use", "source", xfs);
  fake.List({fake.At(crc, "module", "source_list"), fake.At(use, "module_use", "source_list")});
  std::vector<Module> read = Read();
  ASSERT_THAT(read, SizeIs(2));
  EXPECT_EQ(read[0].taint_letters, "OE");
  EXPECT_EQ(read[0].version, "1.2.3");
  EXPECT_THAT(read[0].used_by, ElementsAre("xfs"));
  EXPECT_THAT(read[1].used_by, IsEmpty());
}

TEST_P(Modules, BuildIdFromTheNoteSections) {
  VirtAddr module = Add("ext4");
  VirtAddr attributes = AddNotes(module);
  fake.Set(attributes, "module_notes_attrs", "notes", 2);
  EXPECT_EQ(Read()[0].build_id, kBuildId);
}

class ModulesWithGroups : public Modules {
 protected:
  ModulesWithGroups() : Modules(NotesBy::kGroup) {}
};

INSTANTIATE_TEST_SUITE_P(BothLayouts, ModulesWithGroups,
                         ::testing::Values(Shape::kMemory, Shape::kLayout), ShapeName);

TEST_P(ModulesWithGroups, BuildIdFromTheNoteSections) {
  VirtAddr module = Add("ext4");
  VirtAddr attributes = AddNotes(module), list = fake.NewBytes(3 * 8);
  fake.PutU64(list, (attributes + 16).value);
  fake.PutU64(list + 8, (attributes + 48).value);
  fake.SetPointer(attributes, "module_notes_attrs", "grp.bin_attrs", list);
  EXPECT_EQ(Read()[0].build_id, kBuildId);
  EXPECT_THAT(findings.all(), IsEmpty());
}

TEST_P(ModulesWithGroups, ListThatEndsBeforeTheBuildIdHasNone) {
  VirtAddr module = Add("ext4");
  VirtAddr attributes = AddNotes(module), list = fake.NewBytes(3 * 8);
  fake.PutU64(list, (attributes + 16).value);
  fake.SetPointer(attributes, "module_notes_attrs", "grp.bin_attrs", list);
  EXPECT_EQ(Read()[0].build_id, "");
}

TEST_P(Modules, GarbageEntryIsSkippedAndNamed) {
  VirtAddr bad = Add("bad");
  Add("good");
  fake.Set(bad, "module", "state", 77);
  std::vector<Module> read = Read();
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].name, "good");
  EXPECT_EQ(FindingId(), "walk.modules.bad");
}

TEST_P(Modules, ImpossibleSizeIsAFindingAndTheRestIsRead) {
  VirtAddr module = Add("odd");
  if (GetParam() == Shape::kMemory) {
    SetMemory(module, 1, kText, 0xffffffff);
  } else {
    fake.Set(module, "module", "core_layout.text_size", 0x7000);
  }
  fake.Set(module, "module", "taints", 1);
  std::vector<Module> read = Read();
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].taint_letters, "P");
  EXPECT_EQ(FindingId(), "walk.modules.incomplete");
}

TEST_P(Modules, LoopedListEnds) {
  VirtAddr a = Add("a"), b = Add("b");
  std::vector<VirtAddr> list = {head, fake.At(a, "module", "list"), fake.At(b, "module", "list")};
  fake.List(list);
  fake.PutU64(list[2], list[1].value);
  Result<std::vector<Module>> read = ReadModules(fake.Open(), findings);
  ASSERT_TRUE(read);
  EXPECT_THAT(*read, SizeIs(2));
  EXPECT_EQ(FindingId(), "walk.list.loop");
}

TEST_P(Modules, SymbolsOfAModule) {
  VirtAddr module = Add("ext4");
  VirtAddr kallsyms = fake.New("mod_kallsyms"), symtab = fake.NewBytes(4 * 24);
  VirtAddr strtab = fake.NewBytes(64), typetab = fake.NewBytes(4);
  fake.Write(strtab, std::as_bytes(std::span("\0ext4_read\0ext4_undefined\0")));
  // [0] is the null symbol; [3] has a name of no length.
  auto put = [&](int index, uint32_t name, uint16_t section, uint64_t value, uint64_t bytes) {
    VirtAddr at = symtab + static_cast<uint64_t>(index) * 24;
    fake.PutU32(at, name);
    fake.PutU32(at + 4, static_cast<uint32_t>(section) << 16);
    fake.PutU64(at + 8, value);
    fake.PutU64(at + 16, bytes);
  };
  put(1, 1, 3, kText.value + 0x40, 0x30);
  put(2, 11, SHN_UNDEF, 0, 0);
  put(3, 26, 3, kText.value, 0);
  fake.PutU32(typetab, 't' << 8 | 'U' << 16 | 't' << 24);
  fake.SetPointer(kallsyms, "mod_kallsyms", "symtab", symtab);
  fake.SetPointer(kallsyms, "mod_kallsyms", "strtab", strtab);
  fake.SetPointer(kallsyms, "mod_kallsyms", "typetab", typetab);
  fake.Set(kallsyms, "mod_kallsyms", "num_symtab", 4);
  fake.SetPointer(module, "module", "kallsyms", kallsyms);
  ModuleSymbolBudget budget;
  ASSERT_TRUE(Load(budget));
  EXPECT_EQ(loaded.size(), 1u);
  std::optional<symbols::Located> located = loaded.Locate(kText + 0x45);
  ASSERT_TRUE(located);
  EXPECT_EQ(located->symbol.name, "ext4_read");
  EXPECT_EQ(located->symbol.module, "ext4");
  EXPECT_EQ(located->symbol.kind, 't');
  EXPECT_EQ(located->offset, 5u);
}

TEST_P(Modules, TooManySymbolsAreRefused) {
  VirtAddr module = Add("ext4"), kallsyms = fake.New("mod_kallsyms");
  fake.Set(kallsyms, "mod_kallsyms", "num_symtab", 0x7fffffff);
  fake.SetPointer(module, "module", "kallsyms", kallsyms);
  ModuleSymbolBudget budget;
  Status status = Load(budget);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
}

TEST_P(Modules, SymbolsOfAllModulesTogetherAreLimited) {
  AddSymbols(Add("ext4"), 10);
  ModuleSymbolBudget budget{.symbols = 9};
  Status status = Load(budget);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(budget.symbols, 9u);
  EXPECT_EQ(loaded.size(), 0u);
}

TEST_P(Modules, NamesOfAllModulesTogetherAreLimited) {
  AddSymbols(Add("ext4"), 10);
  ModuleSymbolBudget budget{.name_bytes = 7};
  Status status = Load(budget);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(loaded.size(), 3u);
  EXPECT_EQ(budget.name_bytes, 0u);
}

TEST_P(Modules, SymbolsAreTakenFromTheBudget) {
  AddSymbols(Add("ext4"), 10);
  ModuleSymbolBudget budget{.symbols = 10, .name_bytes = 20};
  EXPECT_TRUE(Load(budget));
  EXPECT_EQ(budget.symbols, 0u);
  EXPECT_EQ(budget.name_bytes, 0u);
  EXPECT_EQ(loaded.size(), 10u);
}

TEST_P(Modules, UnreadableSymbolsCostNoOthers) {
  Symtab made = AddSymbols(Add("ext4"), 1200);
  fake.Fail(made.symbols + 600 * 24, 24, ErrorCode::kExcluded);
  ModuleSymbolBudget budget;
  EXPECT_TRUE(Load(budget));
  EXPECT_TRUE(loaded.Find("f511"));
  EXPECT_FALSE(loaded.Find("f600"));
  EXPECT_TRUE(loaded.Find("f1024"));
  EXPECT_EQ(FindingId(), "walk.modules.symbols-lost");
  EXPECT_TRUE(findings.HasLosses());
}

TEST_P(Modules, UnreadableNamesCostNoOthers) {
  Symtab made = AddSymbols(Add("ext4"), 1200);
  fake.Fail(made.names, 256, ErrorCode::kExcluded);
  ModuleSymbolBudget budget;
  EXPECT_TRUE(Load(budget));
  EXPECT_FALSE(loaded.Find("f0"));
  EXPECT_TRUE(loaded.Find("f1199"));
  EXPECT_EQ(FindingId(), "walk.modules.symbols-lost");
}

TEST_P(Modules, OrcTablesOfAModule) {
  VirtAddr module = Add("ext4");
  Add("assembler_only");
  fake.Set(module, "module", "arch.num_orcs", 12);
  fake.Set(module, "module", "arch.orc_unwind_ip", 0xffffffffc0300000);
  fake.Set(module, "module", "arch.orc_unwind", 0xffffffffc0310000);
  std::vector<VirtAddr> list = {head};
  for (VirtAddr m : modules) list.push_back(fake.At(m, "module", "list"));
  fake.List(list);
  const Kernel& kernel = fake.Open();
  Result<std::vector<Module>> read = ReadModules(kernel, findings);
  Result<unwind::OrcTable> table = ModuleOrcTable(kernel, (*read)[0]);
  ASSERT_TRUE(table) << table.error().ToString();
  EXPECT_EQ(table->count, 12u);
  EXPECT_EQ(table->entry_table.value, 0xffffffffc0310000);
  EXPECT_THAT(table->code, ElementsAre(VirtRange{kText, kText + 0x3000}));
  Result<unwind::OrcTable> none = ModuleOrcTable(kernel, (*read)[1]);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
}

TEST(TaintLettersOf, LettersOfTheMaskInItsOrder) {
  EXPECT_EQ(TaintLetters(0), "");
  EXPECT_EQ(TaintLetters(1), "P");
  EXPECT_EQ(TaintLetters(1 << 7 | 1 << 9 | 1 << 12 | 1 << 13), "DWOE");
  EXPECT_EQ(TaintLetters(uint64_t{1} << 40), "");
}

TEST(ModulesWithoutTypes, NameWhatIsMissing) {
  fakes::FakeKernel fake;
  Findings findings;
  fake.Symbol("modules", fake.NewBytes(16));
  Result<std::vector<Module>> read = ReadModules(fake.Open(), findings);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kMissingDebugInfo);
  EXPECT_THAT(read.error().ToString(), HasSubstr("module"));
}

}  // namespace
}  // namespace hmem::walk
