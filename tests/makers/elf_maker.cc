// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/elf_maker.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace hmem::makers {
namespace {

constexpr uint64_t kAlign = 4096;

uint64_t AlignUp(uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

}  // namespace

ElfMaker::ElfMaker(Endian endian, int word_bytes, uint16_t machine) {
  header_.endian = endian;
  header_.word_bytes = word_bytes;
  header_.machine = machine;
}

ElfMaker& ElfMaker::AddNote(std::string name, uint32_t type, std::span<const std::byte> desc) {
  notes_.push_back({.name = std::move(name), .type = type, .desc = {desc.begin(), desc.end()}});
  return *this;
}

ElfMaker& ElfMaker::Vmcoreinfo(std::string_view text) {
  return AddNote("VMCOREINFO", 0, std::as_bytes(std::span(text)));
}

ElfMaker& ElfMaker::Load(PhysAddr phys, std::span<const std::byte> bytes, VirtAddr virt,
                         uint64_t memory_bytes) {
  loads_.push_back({.phys = phys,
                    .virt = virt,
                    .memory_bytes = memory_bytes == 0 ? bytes.size() : memory_bytes,
                    .bytes = {bytes.begin(), bytes.end()}});
  return *this;
}

ElfMaker& ElfMaker::Flags(uint32_t flags) {
  header_.flags = flags;
  return *this;
}

ElfMaker& ElfMaker::NullHeaders(size_t count) {
  null_headers_ = count;
  return *this;
}

ElfMaker& ElfMaker::HeadersAt(uint64_t offset) {
  headers_at_ = offset;
  return *this;
}

ElfMaker& ElfMaker::Edit(std::function<void(std::vector<format::ElfSegment>&)> edit) {
  edit_ = std::move(edit);
  return *this;
}

std::vector<std::byte> ElfMaker::Make() const {
  std::vector<std::byte> note_bytes = format::SerializeNotes(notes_, header_.endian);
  std::vector<format::ElfSegment> segments(null_headers_);
  uint64_t count = null_headers_ + (notes_.empty() ? 0 : 1) + loads_.size();
  uint64_t header_bytes = format::ElfCoreHeaderBytes(header_.word_bytes, count);
  uint64_t moved_by =
      headers_at_ == 0 ? 0 : headers_at_ - format::ElfFileHeaderBytes(header_.word_bytes);
  uint64_t offset = AlignUp(header_bytes + moved_by);
  const uint64_t note_offset = offset;
  if (!notes_.empty()) {
    segments.push_back({.type = PT_NOTE,
                        .offset = offset,
                        .file_bytes = note_bytes.size(),
                        .memory_bytes = note_bytes.size()});
    offset = AlignUp(offset + note_bytes.size());
  }
  std::vector<uint64_t> load_offsets;
  for (const Segment& load : loads_) {
    segments.push_back({.type = PT_LOAD,
                        .flags = PF_R | PF_W | PF_X,
                        .offset = offset,
                        .virt = load.virt,
                        .phys = load.phys,
                        .file_bytes = load.bytes.size(),
                        .memory_bytes = load.memory_bytes});
    load_offsets.push_back(offset);
    offset += load.bytes.size();
  }
  if (edit_) edit_(segments);

  auto head = format::BuildElfCoreHeader(header_, segments);
  if (!head) {
    std::fprintf(stderr, "elf_maker: %s\n", head.error().ToString().c_str());
    std::abort();
  }
  std::vector<std::byte> file(offset);
  uint64_t own = format::ElfFileHeaderBytes(header_.word_bytes);
  std::copy_n(head->begin(), own, file.begin());
  std::copy(head->begin() + static_cast<ptrdiff_t>(own), head->end(),
            file.begin() + static_cast<ptrdiff_t>(own + moved_by));
  if (moved_by != 0) {
    // e_phoff, the first word behind e_ident, e_type, e_machine, e_version and e_entry.
    size_t at = 24 + (header_.word_bytes == 8 ? 8 : 4);
    if (header_.word_bytes == 8) {
      Store<uint64_t>(&file[at], headers_at_, header_.endian);
    } else {
      Store<uint32_t>(&file[at], static_cast<uint32_t>(headers_at_), header_.endian);
    }
  }
  std::copy(note_bytes.begin(), note_bytes.end(),
            file.begin() + static_cast<ptrdiff_t>(note_offset));
  for (size_t i = 0; i < loads_.size(); ++i) {
    std::copy(loads_[i].bytes.begin(), loads_[i].bytes.end(),
              file.begin() + static_cast<ptrdiff_t>(load_offsets[i]));
  }
  return file;
}

}  // namespace hmem::makers
