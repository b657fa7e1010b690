// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/elf_note.h"

#include <fmt/format.h>

#include <algorithm>

#include "hmem/base/byte_reader.h"

namespace hmem::format {
namespace {

constexpr uint64_t kHeaderBytes = 12;

constexpr uint64_t Padded(uint64_t n) { return (n + 3) & ~uint64_t{3}; }

// The padding of the last field may be missing: some writers leave it out.
Result<std::span<const std::byte>> Field(ByteReader& reader, uint32_t bytes) {
  HMEM_ASSIGN(std::span<const std::byte> field, reader.Bytes(bytes));
  HMEM_TRY(reader.Skip(std::min(Padded(bytes) - bytes, reader.remaining())));
  return field;
}

}  // namespace

Status AppendNotes(std::span<const std::byte> bytes, Endian endian, uint64_t base,
                   std::vector<Note>& notes) {
  if (bytes.size() > kMaxNoteBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("notes: offset {:#x}: {} bytes, at most {} are read",
                                               base, bytes.size(), kMaxNoteBytes));
  }
  ByteReader reader(bytes, endian, "notes", base);
  while (reader.remaining() > 0) {
    uint64_t at = base + reader.offset();
    if (reader.remaining() < kHeaderBytes) {
      HMEM_ASSIGN(std::span<const std::byte> rest, reader.Bytes(reader.remaining()));
      if (std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; }))
        return {};
      return Fail(ErrorCode::kTruncated, fmt::format("notes: offset {:#x}: half a header", at));
    }
    HMEM_ASSIGN(uint32_t name_bytes, reader.U32());
    HMEM_ASSIGN(uint32_t desc_bytes, reader.U32());
    HMEM_ASSIGN(uint32_t type, reader.U32());
    if (name_bytes == 0 && desc_bytes == 0 && type == 0) return {};
    if (notes.size() >= kMaxNotes) {
      return Fail(ErrorCode::kLimit,
                  fmt::format("notes: offset {:#x}: more than {} notes", at, kMaxNotes));
    }
    HMEM_ASSIGN(std::span<const std::byte> name, Field(reader, name_bytes));
    HMEM_ASSIGN(std::span<const std::byte> desc, Field(reader, desc_bytes));
    auto name_end = std::find(name.begin(), name.end(), std::byte{0});
    if (name.end() - name_end > 4) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("notes: offset {:#x}: name of {} bytes ends after {}", at, name_bytes,
                              name_end - name.begin()));
    }
    notes.push_back({.name = std::string(reinterpret_cast<const char*>(name.data()),
                                         static_cast<size_t>(name_end - name.begin())),
                     .type = type,
                     .desc = {desc.begin(), desc.end()}});
  }
  return {};
}

Result<std::vector<Note>> ParseNotes(std::span<const std::byte> bytes, Endian endian,
                                     uint64_t base) {
  std::vector<Note> notes;
  HMEM_TRY(AppendNotes(bytes, endian, base, notes));
  return notes;
}

std::vector<std::byte> SerializeNotes(std::span<const Note> notes, Endian endian) {
  std::vector<std::byte> bytes;
  for (const Note& note : notes) {
    size_t at = bytes.size();
    uint64_t name_bytes = note.name.size() + 1;
    bytes.resize(at + kHeaderBytes + Padded(name_bytes) + Padded(note.desc.size()));
    Store<uint32_t>(&bytes[at], static_cast<uint32_t>(name_bytes), endian);
    Store<uint32_t>(&bytes[at + 4], static_cast<uint32_t>(note.desc.size()), endian);
    Store<uint32_t>(&bytes[at + 8], note.type, endian);
    std::span<const std::byte> name = std::as_bytes(std::span(note.name));
    auto out = bytes.begin() + static_cast<ptrdiff_t>(at + kHeaderBytes);
    std::copy(name.begin(), name.end(), out);
    std::copy(note.desc.begin(), note.desc.end(), out + static_cast<ptrdiff_t>(Padded(name_bytes)));
  }
  return bytes;
}

}  // namespace hmem::format
