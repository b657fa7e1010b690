// SPDX-License-Identifier: GPL-2.0-or-later
// kdump-compressed dumps out of a few calls, whole or wrong in one stated way.
//
//   std::vector<std::byte> dump = KdumpMaker(Endian::kBig, KdumpLayout::k32Padded, "ppc")
//                                     .Vmcoreinfo("OSRELEASE=6.1.0\n")
//                                     .Page(Pfn(1), Pattern(1), "lzo")
//                                     .Excluded(Pfn(2))
//                                     .Make();
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"
#include "hmem/format/elf_note.h"
#include "hmem/format/kdump_header.h"

namespace hmem::makers {

class KdumpMaker {
 public:
  explicit KdumpMaker(Endian endian = Endian::kLittle,
                      format::KdumpLayout layout = format::KdumpLayout::k64,
                      std::string_view machine = "x86_64", uint32_t page_bytes = 4096);

  KdumpMaker& Version(uint32_t version);
  // Bits besides those of the codec: 0x8 incomplete.
  KdumpMaker& Status(uint32_t status);
  KdumpMaker& AddNote(std::string name, uint32_t type, std::span<const std::byte> desc);
  KdumpMaker& Vmcoreinfo(std::string_view text);
  // Packed with this codec; raw where that makes it no smaller, as makedumpfile does.
  KdumpMaker& Page(Pfn pfn, std::span<const std::byte> bytes, std::string_view codec = "zlib");
  // Stored as given, whatever it is: snappy pages, damaged ones.
  KdumpMaker& PackedPage(Pfn pfn, std::span<const std::byte> packed, uint32_t flags);
  // All zero pages share one stored page.
  KdumpMaker& ZeroPage(Pfn pfn);
  // RAM that was filtered out.
  KdumpMaker& Excluded(Pfn pfn);
  // Meant to be in the file; its descriptor is zero, as an incomplete writer leaves it.
  KdumpMaker& Missing(Pfn pfn);
  // max_mapnr; otherwise the highest page and one.
  KdumpMaker& MaxPages(uint64_t pages);
  // The last word on both headers.
  KdumpMaker& Edit(std::function<void(format::KdumpHeader&, format::KdumpSubHeader&)> edit);

  // File offsets in what Make() returns: of the bitmaps, of the descriptors, of the data behind
  // them.
  uint64_t bitmap_offset() const;
  uint64_t descriptors_offset() const;
  uint64_t data_offset() const;

  std::vector<std::byte> Make() const;

 private:
  struct Stored {
    std::optional<std::vector<std::byte>> packed;  // nullopt: Missing
    uint32_t flags = 0;
    bool is_zero = false;
    bool is_excluded = false;
  };

  std::vector<std::byte> NoteBytes() const;
  uint64_t PagesInBitmap() const;
  uint64_t OneBitmapBytes() const;
  uint64_t SubHeaderBlocks() const;

  format::KdumpHeader header_;
  std::vector<format::Note> notes_;
  std::map<uint64_t, Stored> pages_;
  uint64_t max_pages_ = 0;
  std::function<void(format::KdumpHeader&, format::KdumpSubHeader&)> edit_;
};

}  // namespace hmem::makers
