// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/device/core_headers.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "tests/device/old_memory.h"

namespace hmem::device_test {
namespace {

constexpr std::string_view kWord = "hmem.headers=";
constexpr uint64_t kImage = 0xffffffff81000000;
constexpr uint64_t kDirectMap = 0xffff888000000000;

Elf64_Phdr Load(uint64_t phys, uint64_t bytes, uint64_t virt = 0) {
  return {.p_type = PT_LOAD,
          .p_flags = PF_R,
          .p_offset = phys,
          .p_vaddr = virt,
          .p_paddr = phys,
          .p_filesz = bytes,
          .p_memsz = bytes};
}

Elf64_Phdr Note(uint64_t phys, uint64_t bytes) {
  return {
      .p_type = PT_NOTE, .p_offset = phys, .p_paddr = phys, .p_filesz = bytes, .p_memsz = bytes};
}

Elf64_Ehdr Good(size_t segments) {
  Elf64_Ehdr header = {.e_type = ET_CORE,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_phoff = sizeof(Elf64_Ehdr),
                       .e_ehsize = sizeof(Elf64_Ehdr),
                       .e_phentsize = sizeof(Elf64_Phdr),
                       .e_phnum = static_cast<Elf64_Half>(segments)};
  std::memcpy(static_cast<void*>(header.e_ident), ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  return header;
}

CoreHeader Make(std::string_view name, std::span<const Elf64_Phdr> segments) {
  CoreHeader made = {.name = name, .page = std::vector<std::byte>(kPage)};
  const Elf64_Ehdr header = Good(segments.size());
  std::memcpy(made.page.data(), &header, sizeof(header));
  std::memcpy(made.page.data() + sizeof(header), segments.data(), segments.size_bytes());
  return made;
}

// One thing wrong with a header that is good otherwise.
template <typename Change>
CoreHeader Wrong(std::string_view name, Change change) {
  const Elf64_Phdr segments[] = {Load(kPlace, kMiB)};
  CoreHeader made = Make(name, segments);
  made.refused = true;
  Elf64_Ehdr header = {};
  std::memcpy(&header, made.page.data(), sizeof(header));
  change(header);
  std::memcpy(made.page.data(), &header, sizeof(header));
  return made;
}

}  // namespace

std::vector<CoreHeader> CoreHeaders() {
  std::vector<CoreHeader> headers;
  // Out of order, at any byte, two in one page, two that touch, the image inside another.
  const Elf64_Phdr odd[] = {
      Load(kPlace + 0x200000, 0x100001, kDirectMap + kPlace + 0x200000),
      Load(kPlace + 0x220000, 0x8000, kImage),
      Load(kPlace + 0x123, 0x2222, kDirectMap + kPlace + 0x123),
      Load(kPlace + 0x2400, 0x2c07, kDirectMap + kPlace + 0x2400),
      Load(kPlace + 0x5007, 0x4000, kDirectMap + kPlace + 0x5007),
      Load(kPlace + 0x400000, 0),
      {.p_type = PT_GNU_STACK, .p_memsz = 4096},
  };
  headers.push_back(Make("odd", odd));
  // Moved out of the way before the crash: its bytes are elsewhere, and not at the same offset in a
  // page.
  Elf64_Phdr moved = Load(kPlace, 0x10000);
  moved.p_offset = kPlace + 0x100000;
  Elf64_Phdr moved_oddly = Load(kPlace + 0x20000, 0x10000);
  moved_oddly.p_offset = kPlace + 0x180010;
  const Elf64_Phdr elsewhere[] = {moved, moved_oddly, Load(kPlace + 0x30000, 0x10000)};
  headers.push_back(Make("moved", elsewhere));
  const Elf64_Phdr impossible[] = {
      Load(kPlace, kMiB),
      Load(~uint64_t{0} - 0xfff, 0x2000),
      Load(~uint64_t{0} - 0xfff, 0x1000),
      Load(uint64_t{1} << 63, kMiB),
      Load((uint64_t{1} << 63) - 0x2000, 0x1000),
      Load(uint64_t{1} << 60, kMiB),
      Load(uint64_t{1} << 52, kMiB),
      Load(uint64_t{1} << 51, kMiB),
      Load(kPlace + 0x100000, UINT64_MAX),
      Load(kPlace + 0x40000, 0x1000, kImage),
      Load(kPlace + 0x40800, 0x1000, kImage + 0x800),
  };
  headers.push_back(Make("impossible", impossible));
  const Elf64_Phdr giant[] = {Load(kPlace, kMiB), Load(kPlace + 0x80000, uint64_t{1} << 62)};
  headers.push_back(Make("giant", giant));
  const Elf64_Phdr all[] = {Load(kAllStart, kAllEnd - kAllStart)};
  headers.push_back(Make("all", all));
  const Elf64_Phdr notes[] = {Load(kPlace, kMiB),          Note(kPlace, uint64_t{1} << 40),
                              Note(kPlace, 16 * kMiB),     Note(kPlace + 1, 0x1000),
                              Note(kPlace + 0xfff, 3),     Note(uint64_t{1} << 60, 0x1000),
                              Note(kPlace, UINT64_MAX),    Note((uint64_t{1} << 63) - 10, 0x10),
                              Note(kAllEnd - kMiB, 0x1000)};
  headers.push_back(Make("notes", notes));
  // Its program headers are what happens to lie behind it.
  CoreHeader garbage = Wrong("garbage", [](Elf64_Ehdr& header) { header.e_phnum = 32768; });
  garbage.refused = false;
  headers.push_back(std::move(garbage));
  headers.push_back(Wrong("magic", [](Elf64_Ehdr& header) { header.e_ident[0] = 0; }));
  headers.push_back(Wrong("class", [](Elf64_Ehdr& header) { header.e_ident[EI_CLASS] = 3; }));
  headers.push_back(
      Wrong("byte-order", [](Elf64_Ehdr& header) { header.e_ident[EI_DATA] = ELFDATA2MSB; }));
  headers.push_back(Wrong("version", [](Elf64_Ehdr& header) { header.e_ident[EI_VERSION] = 2; }));
  headers.push_back(Wrong("type", [](Elf64_Ehdr& header) { header.e_type = ET_EXEC; }));
  headers.push_back(Wrong("entry-size", [](Elf64_Ehdr& header) { header.e_phentsize = 55; }));
  headers.push_back(Wrong("no-entries", [](Elf64_Ehdr& header) { header.e_phnum = 0; }));
  headers.push_back(Wrong("too-many-entries", [](Elf64_Ehdr& header) { header.e_phnum = 0xffff; }));
  headers.push_back(Wrong("entries-in-header", [](Elf64_Ehdr& header) { header.e_phoff = 0; }));
  headers.push_back(
      Wrong("entries-far-away", [](Elf64_Ehdr& header) { header.e_phoff = uint64_t{1} << 40; }));
  headers.push_back(
      Wrong("entries-beyond", [](Elf64_Ehdr& header) { header.e_phoff = UINT64_MAX - 8; }));
  const Elf64_Phdr no_memory[] = {Note(kPlace, 0x1000)};
  headers.push_back(Make("no-memory", no_memory));
  headers.back().refused = true;
  return headers;
}

uint64_t PhysicalAddress(const void* page) {
  const UniqueFd map(static_cast<int>(Open("/proc/self/pagemap", O_RDONLY)));
  uint64_t entry = 0;
  const uint64_t offset = reinterpret_cast<uintptr_t>(page) / kPage * sizeof(entry);
  if (Pread(map.get(), &entry, sizeof(entry), offset) != sizeof(entry)) return 0;
  constexpr uint64_t kFrameMask = (uint64_t{1} << 55) - 1;
  return (entry & kFrameMask) * kPage;
}

std::string PlantCoreHeaders() {
  std::string word;
  for (const CoreHeader& header : CoreHeaders()) {
    void* at = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (at == MAP_FAILED || ::mlock(at, kPage) != 0) return "";
    std::memcpy(at, header.page.data(), kPage);
    const uint64_t phys = PhysicalAddress(at);
    if (phys == 0) return "";
    word += fmt::format("{}{:#x}", word.empty() ? kWord : ",", phys);
  }
  return word;
}

std::optional<uint64_t> CoreHeaderAddress(size_t number) {
  const Result<std::string> line = ReadTextFile("/proc/cmdline", kPage);
  if (!line) return std::nullopt;
  size_t at = line->find(kWord);
  if (at == std::string::npos) return std::nullopt;
  at += kWord.size();
  for (size_t i = 0; i < number; ++i) {
    at = line->find(',', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  return std::strtoull(line->c_str() + at, nullptr, 0);
}

}  // namespace hmem::device_test
