// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/elf_core.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "hmem/base/byte_reader.h"

namespace hmem::format {
namespace {

// Appends integers in one byte order.
class Appender {
 public:
  Appender(std::vector<std::byte>& out, Endian endian, int word_bytes)
      : out_(out), endian_(endian), word_bytes_(word_bytes) {}

  template <typename T>
  void Put(T value) {
    size_t at = out_.size();
    out_.resize(at + sizeof(T));
    Store<T>(&out_[at], value, endian_);
  }
  void U16(uint64_t v) { Put<uint16_t>(static_cast<uint16_t>(v)); }
  void U32(uint64_t v) { Put<uint32_t>(static_cast<uint32_t>(v)); }
  void Word(uint64_t v) {
    if (word_bytes_ == 8) {
      Put<uint64_t>(v);
    } else {
      U32(v);
    }
  }

 private:
  std::vector<std::byte>& out_;
  Endian endian_;
  int word_bytes_;
};

Result<ElfSegment> ParseSegment(ByteReader& reader, int word_bytes) {
  ElfSegment segment;
  HMEM_ASSIGN(segment.type, reader.U32());
  if (word_bytes == 8) {
    HMEM_ASSIGN(segment.flags, reader.U32());
  }
  HMEM_ASSIGN(segment.offset, reader.Word(word_bytes));
  HMEM_ASSIGN(uint64_t virt, reader.Word(word_bytes));
  HMEM_ASSIGN(uint64_t phys, reader.Word(word_bytes));
  segment.virt = VirtAddr(virt);
  segment.phys = PhysAddr(phys);
  HMEM_ASSIGN(segment.file_bytes, reader.Word(word_bytes));
  HMEM_ASSIGN(segment.memory_bytes, reader.Word(word_bytes));
  if (word_bytes == 4) {
    HMEM_ASSIGN(segment.flags, reader.U32());
  }
  HMEM_ASSIGN(segment.align, reader.Word(word_bytes));
  return segment;
}

void AppendSegment(Appender& out, const ElfSegment& segment, int word_bytes) {
  out.U32(segment.type);
  if (word_bytes == 8) out.U32(segment.flags);
  out.Word(segment.offset);
  out.Word(segment.virt.value);
  out.Word(segment.phys.value);
  out.Word(segment.file_bytes);
  out.Word(segment.memory_bytes);
  if (word_bytes == 4) out.U32(segment.flags);
  out.Word(segment.align);
}

bool FitsElf32(const ElfSegment& segment) {
  uint64_t all = segment.offset | segment.virt.value | segment.phys.value | segment.file_bytes |
                 segment.memory_bytes | segment.align;
  return all <= std::numeric_limits<uint32_t>::max();
}

}  // namespace

bool IsElf(std::span<const std::byte> head) {
  return head.size() >= SELFMAG &&
         std::equal(head.begin(), head.begin() + SELFMAG, std::as_bytes(std::span(ELFMAG)).begin());
}

uint64_t ElfProgramEntryBytes(int word_bytes) {
  return word_bytes == 8 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}
uint64_t ElfSectionEntryBytes(int word_bytes) {
  return word_bytes == 8 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
}
uint64_t ElfFileHeaderBytes(int word_bytes) {
  return word_bytes == 8 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
}

Result<ElfHeader> ParseElfHeader(std::span<const std::byte> head) {
  if (!IsElf(head)) return Fail(ErrorCode::kCorrupt, "ELF header: offset 0x0: no ELF magic");
  if (head.size() < EI_NIDENT) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("ELF header: the file ends after {} bytes", head.size()));
  }
  ElfHeader header;
  auto file_class = std::to_integer<int>(head[EI_CLASS]);
  if (file_class != ELFCLASS32 && file_class != ELFCLASS64) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("ELF header: offset {:#x}: class {}", EI_CLASS, file_class));
  }
  header.word_bytes = file_class == ELFCLASS64 ? 8 : 4;
  auto data = std::to_integer<int>(head[EI_DATA]);
  if (data != ELFDATA2LSB && data != ELFDATA2MSB) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("ELF header: offset {:#x}: byte order {}", EI_DATA, data));
  }
  header.endian = data == ELFDATA2LSB ? Endian::kLittle : Endian::kBig;

  ByteReader reader(head, header.endian, "ELF header");
  HMEM_TRY(reader.Skip(EI_NIDENT));
  HMEM_ASSIGN(header.type, reader.U16());
  HMEM_ASSIGN(header.machine, reader.U16());
  HMEM_TRY(reader.U32());                    // e_version
  HMEM_TRY(reader.Word(header.word_bytes));  // e_entry
  HMEM_ASSIGN(header.program_offset, reader.Word(header.word_bytes));
  HMEM_ASSIGN(header.section_offset, reader.Word(header.word_bytes));
  HMEM_ASSIGN(header.flags, reader.U32());
  HMEM_TRY(reader.U16());  // e_ehsize
  HMEM_ASSIGN(header.program_entry_bytes, reader.U16());
  HMEM_ASSIGN(header.program_count, reader.U16());
  return header;
}

bool ElfCountIsInSection(const ElfHeader& header) { return header.program_count == PN_XNUM; }

Result<uint64_t> ParseElfSectionCount(std::span<const std::byte> section, const ElfHeader& header) {
  ByteReader reader(section, header.endian, "ELF section header 0", header.section_offset);
  // sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size, sh_link come before sh_info.
  HMEM_TRY(reader.Skip(header.word_bytes == 8 ? offsetof(Elf64_Shdr, sh_info)
                                              : offsetof(Elf32_Shdr, sh_info)));
  HMEM_ASSIGN(uint64_t count, reader.U32());
  return count;
}

Result<std::vector<ElfSegment>> ParseElfSegments(std::span<const std::byte> bytes,
                                                 const ElfHeader& header) {
  uint64_t entry_bytes = ElfProgramEntryBytes(header.word_bytes);
  uint64_t count = bytes.size() / entry_bytes;
  if (count > kMaxElfSegments) {
    return Fail(ErrorCode::kLimit, fmt::format("ELF program headers: {}, at most {} are read",
                                               count, kMaxElfSegments));
  }
  ByteReader reader(bytes, header.endian, "ELF program headers", header.program_offset);
  std::vector<ElfSegment> segments;
  segments.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    HMEM_ASSIGN(ElfSegment segment, ParseSegment(reader, header.word_bytes));
    segments.push_back(segment);
  }
  return segments;
}

uint64_t ElfCoreHeaderBytes(int word_bytes, uint64_t segments) {
  uint64_t bytes = ElfFileHeaderBytes(word_bytes) + segments * ElfProgramEntryBytes(word_bytes);
  if (segments >= PN_XNUM) bytes += ElfSectionEntryBytes(word_bytes);
  return bytes;
}

std::vector<std::byte> BuildElfFileHeader(const ElfHeader& header, uint64_t segments) {
  const int word_bytes = header.word_bytes;
  const bool extended = segments >= PN_XNUM;
  const uint64_t file_header_bytes = ElfFileHeaderBytes(word_bytes);

  std::vector<std::byte> bytes;
  bytes.reserve(file_header_bytes);
  for (int value :
       {ELFMAG0, static_cast<int>(ELFMAG1), static_cast<int>(ELFMAG2), static_cast<int>(ELFMAG3),
        word_bytes == 8 ? ELFCLASS64 : ELFCLASS32,
        header.endian == Endian::kLittle ? ELFDATA2LSB : ELFDATA2MSB, EV_CURRENT, ELFOSABI_NONE}) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  bytes.resize(EI_NIDENT);

  Appender out(bytes, header.endian, word_bytes);
  out.U16(ET_CORE);
  out.U16(header.machine);
  out.U32(EV_CURRENT);
  out.Word(0);                  // e_entry
  out.Word(file_header_bytes);  // e_phoff
  out.Word(extended ? file_header_bytes + segments * ElfProgramEntryBytes(word_bytes) : 0);
  out.U32(header.flags);
  out.U16(file_header_bytes);
  out.U16(ElfProgramEntryBytes(word_bytes));
  out.U16(extended ? PN_XNUM : segments);
  out.U16(extended ? ElfSectionEntryBytes(word_bytes) : 0);  // e_shentsize
  out.U16(extended ? 1 : 0);                                 // e_shnum
  out.U16(SHN_UNDEF);                                        // e_shstrndx
  return bytes;
}

Result<std::vector<std::byte>> BuildElfProgramHeader(const ElfHeader& header,
                                                     const ElfSegment& segment) {
  if (header.word_bytes == 4 && !FitsElf32(segment)) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("ELF core: a segment at phys {:#x} does not fit ELF32", segment.phys.value));
  }
  std::vector<std::byte> bytes;
  bytes.reserve(ElfProgramEntryBytes(header.word_bytes));
  Appender out(bytes, header.endian, header.word_bytes);
  AppendSegment(out, segment, header.word_bytes);
  return bytes;
}

std::vector<std::byte> BuildElfCountSection(const ElfHeader& header, uint64_t segments) {
  std::vector<std::byte> bytes;
  if (segments < PN_XNUM) return bytes;
  bytes.resize(ElfSectionEntryBytes(header.word_bytes));
  size_t at =
      header.word_bytes == 8 ? offsetof(Elf64_Shdr, sh_info) : offsetof(Elf32_Shdr, sh_info);
  Store<uint32_t>(&bytes[at], static_cast<uint32_t>(segments), header.endian);
  return bytes;
}

Result<std::vector<std::byte>> BuildElfCoreHeader(const ElfHeader& header,
                                                  std::span<const ElfSegment> segments) {
  if (segments.size() > kMaxElfSegments) {
    return Fail(ErrorCode::kLimit,
                fmt::format("ELF core: {} segments, at most {}", segments.size(), kMaxElfSegments));
  }
  std::vector<std::byte> bytes = BuildElfFileHeader(header, segments.size());
  bytes.reserve(ElfCoreHeaderBytes(header.word_bytes, segments.size()));
  for (const ElfSegment& segment : segments) {
    HMEM_ASSIGN(auto entry, BuildElfProgramHeader(header, segment));
    bytes.insert(bytes.end(), entry.begin(), entry.end());
  }
  std::vector<std::byte> section = BuildElfCountSection(header, segments.size());
  bytes.insert(bytes.end(), section.begin(), section.end());
  return bytes;
}

// In e_flags of these the lowest bit belongs to the architecture.
bool ElfHasIncompleteFlag(uint16_t machine) { return machine != EM_PPC64 && machine != EM_MIPS; }

}  // namespace hmem::format
