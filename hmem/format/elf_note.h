// SPDX-License-Identifier: GPL-2.0-or-later
// ELF notes (System V ABI, "Note Section"; include/uapi/linux/elf.h): namesz, descsz, type, then
// name and desc padded to 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hmem/base/endian.h"
#include "hmem/base/result.h"

namespace hmem::format {

inline constexpr size_t kMaxNotes = 4096;
inline constexpr size_t kMaxNoteBytes = 64 << 20;

// One note: {"CORE", NT_PRSTATUS}, {"VMCOREINFO", 0}, ...
struct Note {
  std::string name;  // without the trailing NUL
  uint32_t type = 0;
  std::vector<std::byte> desc;
};

// A note stream (a PT_NOTE, or the crash_notes buffer of one CPU); stops at an all-zero header,
// which is how the kernel ends a buffer. kTruncated/kCorrupt name the offset (plus `base`). At most
// kMaxNotes notes and kMaxNoteBytes.
Result<std::vector<Note>> ParseNotes(std::span<const std::byte> bytes, Endian endian,
                                     uint64_t base = 0);

// The same for a damaged stream: notes in front of the damage are added to `notes` whatever is
// returned.
Status AppendNotes(std::span<const std::byte> bytes, Endian endian, uint64_t base,
                   std::vector<Note>& notes);

// The opposite: the bytes of `notes` as one PT_NOTE.
std::vector<std::byte> SerializeNotes(std::span<const Note> notes, Endian endian);

}  // namespace hmem::format
