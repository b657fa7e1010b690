// SPDX-License-Identifier: GPL-2.0-or-later
// The header and program headers of an ELF core, both classes, both byte orders (System V ABI, "ELF
// Header", "Program Header"; PN_XNUM: elf(5)). Reading and building share this file, so that they
// cannot drift apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"
#include "hmem/base/result.h"

namespace hmem::format {

// Program headers that are read and written at most. Linux itself writes a handful; a core without
// excluded pages has one more for each stretch of them.
inline constexpr uint64_t kMaxElfSegments = 1024 * 1024;
// Bytes that hold the header of either class.
inline constexpr size_t kElfHeaderBytes = 64;

struct ElfHeader {
  int word_bytes = 8;  // 4: ELF32, 8: ELF64
  Endian endian = Endian::kLittle;
  uint16_t type = 0;     // ET_*
  uint16_t machine = 0;  // EM_*
  uint32_t flags = 0;
  uint64_t program_offset = 0;  // e_phoff: honoured, it need not be right behind the header
  uint64_t section_offset = 0;
  uint16_t program_entry_bytes = 0;
  uint16_t program_count = 0;  // PN_XNUM: the count is in section header 0
};

struct ElfSegment {
  uint32_t type = 0;   // PT_*
  uint32_t flags = 0;  // PF_*
  uint64_t offset = 0;
  VirtAddr virt;
  PhysAddr phys;
  uint64_t file_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t align = 0;
};

// True when the bytes begin with the ELF magic.
bool IsElf(std::span<const std::byte> head);

// `head` is the start of the file. kCorrupt: class or byte order unknown, or an impossible header;
// kTruncated: too short.
Result<ElfHeader> ParseElfHeader(std::span<const std::byte> head);

// Bytes of one program header, of one section header, of the ELF header itself.
uint64_t ElfProgramEntryBytes(int word_bytes);
uint64_t ElfSectionEntryBytes(int word_bytes);
uint64_t ElfFileHeaderBytes(int word_bytes);

// True when the number of program headers is in sh_info of section header 0.
bool ElfCountIsInSection(const ElfHeader& header);
// That number, from the bytes of section header 0.
Result<uint64_t> ParseElfSectionCount(std::span<const std::byte> section, const ElfHeader& header);

// `bytes` holds program headers back to back, from header.program_offset on; as many as fit are
// read.
Result<std::vector<ElfSegment>> ParseElfSegments(std::span<const std::byte> bytes,
                                                 const ElfHeader& header);

// Where the first byte behind the headers of a core with `segments` program headers may lie: ELF
// header, program headers right behind it (makedumpfile looks nowhere else), section header 0 where
// PN_XNUM needs it.
uint64_t ElfCoreHeaderBytes(int word_bytes, uint64_t segments);

// The three parts of that, for an ET_CORE. Of `header` the class, byte order, machine and flags
// count; the offsets and counts are filled in.
std::vector<std::byte> BuildElfFileHeader(const ElfHeader& header, uint64_t segments);
// kInvalidArgument: an address does not fit ELF32.
Result<std::vector<std::byte>> BuildElfProgramHeader(const ElfHeader& header,
                                                     const ElfSegment& segment);
// Empty where the count fits the ELF header.
std::vector<std::byte> BuildElfCountSection(const ElfHeader& header, uint64_t segments);
// All three, ElfCoreHeaderBytes() long. kLimit: more than kMaxElfSegments.
Result<std::vector<std::byte>> BuildElfCoreHeader(const ElfHeader& header,
                                                  std::span<const ElfSegment> segments);

// e_flags of a core whose writer stopped before its end, as makedumpfile -E has it.
inline constexpr uint32_t kElfIncomplete = 1;
// False where e_flags belong to the architecture.
bool ElfHasIncompleteFlag(uint16_t machine);

}  // namespace hmem::format
