// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/kdump_maker.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "hmem/codec/codec.h"

namespace hmem::makers {
namespace {

using format::KdumpDescriptor;
using format::KdumpSubHeader;

uint64_t AlignUp(uint64_t n, uint64_t align) { return (n + align - 1) / align * align; }

void Put(std::vector<std::byte>& file, uint64_t offset, std::span<const std::byte> bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<ptrdiff_t>(offset));
}

uint32_t FlagsOf(std::string_view codec) {
  auto flag = format::KdumpCodecFlag(codec);
  if (flag) return *flag;
  std::fprintf(stderr, "kdump_maker: unknown codec %.*s\n", static_cast<int>(codec.size()),
               codec.data());
  std::abort();
}

// Offset of the VMCOREINFO text inside the note bytes, and its length.
std::pair<uint64_t, uint64_t> FindText(std::span<const format::Note> notes, Endian endian) {
  for (size_t i = 0; i < notes.size(); ++i) {
    if (notes[i].name != "VMCOREINFO") continue;
    uint64_t before = format::SerializeNotes(notes.first(i), endian).size();
    return {before + 12 + AlignUp(notes[i].name.size() + 1, 4), notes[i].desc.size()};
  }
  return {0, 0};
}

}  // namespace

KdumpMaker::KdumpMaker(Endian endian, format::KdumpLayout layout, std::string_view machine,
                       uint32_t page_bytes) {
  header_.endian = endian;
  header_.layout = layout;
  header_.block_bytes = page_bytes;
  header_.utsname = {"Linux", "maker", "6.1.0", "#1", std::string(machine), "(none)"};
}

KdumpMaker& KdumpMaker::Version(uint32_t version) {
  header_.version = version;
  return *this;
}

KdumpMaker& KdumpMaker::Status(uint32_t status) {
  header_.status |= status;
  return *this;
}

KdumpMaker& KdumpMaker::AddNote(std::string name, uint32_t type, std::span<const std::byte> desc) {
  notes_.push_back({.name = std::move(name), .type = type, .desc = {desc.begin(), desc.end()}});
  return *this;
}

KdumpMaker& KdumpMaker::Vmcoreinfo(std::string_view text) {
  return AddNote("VMCOREINFO", 0, std::as_bytes(std::span(text)));
}

KdumpMaker& KdumpMaker::Page(Pfn pfn, std::span<const std::byte> bytes,
                             std::string_view codec_name) {
  uint32_t flags = FlagsOf(codec_name);
  auto codec = codec::FindCodec(codec_name);
  if (!codec) std::abort();
  std::vector<std::byte> packed((*codec)->bound(bytes.size()));
  auto n = (*codec)->pack(bytes, packed, 1);
  if (!n) std::abort();
  packed.resize(*n);
  if (packed.size() >= header_.block_bytes) return PackedPage(pfn, bytes, 0);
  return PackedPage(pfn, packed, flags);
}

KdumpMaker& KdumpMaker::PackedPage(Pfn pfn, std::span<const std::byte> packed, uint32_t flags) {
  header_.status |= flags;
  pages_[pfn.value] = {.packed = std::vector<std::byte>(packed.begin(), packed.end()),
                       .flags = flags};
  return *this;
}

KdumpMaker& KdumpMaker::ZeroPage(Pfn pfn) {
  pages_[pfn.value] = {.packed = std::nullopt, .is_zero = true};
  return *this;
}

KdumpMaker& KdumpMaker::Excluded(Pfn pfn) {
  pages_[pfn.value] = {.packed = std::nullopt, .is_excluded = true};
  return *this;
}

KdumpMaker& KdumpMaker::Missing(Pfn pfn) {
  pages_[pfn.value] = {.packed = std::nullopt};
  return *this;
}

KdumpMaker& KdumpMaker::MaxPages(uint64_t pages) {
  max_pages_ = pages;
  return *this;
}

KdumpMaker& KdumpMaker::Edit(std::function<void(format::KdumpHeader&, KdumpSubHeader&)> edit) {
  edit_ = std::move(edit);
  return *this;
}

std::vector<std::byte> KdumpMaker::NoteBytes() const {
  return format::SerializeNotes(notes_, header_.endian);
}

uint64_t KdumpMaker::PagesInBitmap() const {
  if (max_pages_ != 0) return max_pages_;
  return pages_.empty() ? 1 : pages_.rbegin()->first + 1;
}

uint64_t KdumpMaker::OneBitmapBytes() const {
  return AlignUp((PagesInBitmap() + 7) / 8, header_.block_bytes);
}

uint64_t KdumpMaker::SubHeaderBlocks() const {
  return (format::kKdumpSubHeaderBytes + NoteBytes().size() + header_.block_bytes - 1) /
         header_.block_bytes;
}

uint64_t KdumpMaker::bitmap_offset() const { return header_.block_bytes * (1 + SubHeaderBlocks()); }

uint64_t KdumpMaker::descriptors_offset() const { return bitmap_offset() + 2 * OneBitmapBytes(); }

uint64_t KdumpMaker::data_offset() const {
  auto dumped = std::count_if(pages_.begin(), pages_.end(),
                              [](const auto& page) { return !page.second.is_excluded; });
  return descriptors_offset() + static_cast<uint64_t>(dumped) * format::kKdumpDescriptorBytes;
}

std::vector<std::byte> KdumpMaker::Make() const {
  format::KdumpHeader header = header_;
  header.sub_header_blocks = static_cast<uint32_t>(SubHeaderBlocks());
  header.bitmap_blocks = static_cast<uint32_t>(2 * OneBitmapBytes() / header.block_bytes);
  header.max_mapnr = static_cast<uint32_t>(PagesInBitmap());

  KdumpSubHeader sub;
  sub.max_mapnr_64 = PagesInBitmap();
  sub.end_pfn_64 = PagesInBitmap();
  std::vector<std::byte> notes = NoteBytes();
  uint64_t note_offset = header.block_bytes + format::BuildKdumpSubHeader(sub, header).size();
  if (!notes.empty()) {
    sub.note_offset = note_offset;
    sub.note_bytes = notes.size();
    auto [text_offset, text_bytes] = FindText(notes_, header.endian);
    sub.vmcoreinfo_offset = text_bytes == 0 ? 0 : note_offset + text_offset;
    sub.vmcoreinfo_bytes = text_bytes;
  }

  std::vector<std::byte> ram(OneBitmapBytes());
  std::vector<std::byte> dumped(OneBitmapBytes());
  std::vector<std::byte> descriptors;
  std::vector<std::byte> data;
  uint64_t zero_offset = 0;
  for (const auto& [pfn, page] : pages_) {
    std::byte bit = std::byte{1} << (pfn % 8);
    ram[pfn / 8] |= bit;
    if (page.is_excluded) continue;
    dumped[pfn / 8] |= bit;
    KdumpDescriptor descriptor;
    if (page.is_zero) {
      if (zero_offset == 0) {
        zero_offset = data_offset() + data.size();
        data.resize(data.size() + header.block_bytes);
      }
      descriptor = {.offset = zero_offset, .bytes = header.block_bytes, .flags = 0};
    } else if (page.packed) {
      descriptor = {.offset = data_offset() + data.size(),
                    .bytes = static_cast<uint32_t>(page.packed->size()),
                    .flags = page.flags};
      data.insert(data.end(), page.packed->begin(), page.packed->end());
    }
    auto bytes = format::BuildKdumpDescriptor(descriptor, header.endian);
    descriptors.insert(descriptors.end(), bytes.begin(), bytes.end());
  }

  if (edit_) edit_(header, sub);
  std::vector<std::byte> file;
  Put(file, 0, format::BuildKdumpHeader(header));
  Put(file, header_.block_bytes, format::BuildKdumpSubHeader(sub, header));
  Put(file, note_offset, notes);
  Put(file, bitmap_offset(), ram);
  Put(file, bitmap_offset() + OneBitmapBytes(), dumped);
  Put(file, descriptors_offset(), descriptors);
  Put(file, data_offset(), data);
  return file;
}

}  // namespace hmem::makers
