// SPDX-License-Identifier: GPL-2.0-or-later
// ELF cores out of a few calls, whole or wrong in one stated way.
//
//   std::vector<std::byte> core = ElfMaker(Endian::kBig, 4, EM_PPC)
//                                     .Vmcoreinfo("OSRELEASE=6.1.0\n")
//                                     .Load(PhysAddr(0x1000), Pattern(1), VirtAddr(0xc0001000))
//                                     .Make();
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"
#include "hmem/format/elf_core.h"
#include "hmem/format/elf_note.h"

namespace hmem::makers {

class ElfMaker {
 public:
  explicit ElfMaker(Endian endian = Endian::kLittle, int word_bytes = 8,
                    uint16_t machine = EM_X86_64);

  ElfMaker& AddNote(std::string name, uint32_t type, std::span<const std::byte> desc);
  ElfMaker& Vmcoreinfo(std::string_view text);
  // A PT_LOAD with these file bytes; memory_bytes 0: as many. Segments are laid out in the order of
  // the calls.
  ElfMaker& Load(PhysAddr phys, std::span<const std::byte> bytes, VirtAddr virt = VirtAddr(0),
                 uint64_t memory_bytes = 0);
  // Flags of the header: 1 marks a core whose writing stopped.
  ElfMaker& Flags(uint32_t flags);
  // So many PT_NULL headers in front: with 65535 and more in all, the count is in section header 0.
  ElfMaker& NullHeaders(size_t count);
  // Program headers at this file offset, behind a gap; 0: right behind the header.
  ElfMaker& HeadersAt(uint64_t offset);
  // The last word on the program headers, in file order (PT_NULLs, PT_NOTE, PT_LOADs).
  ElfMaker& Edit(std::function<void(std::vector<format::ElfSegment>&)> edit);

  std::vector<std::byte> Make() const;

 private:
  struct Segment {
    PhysAddr phys;
    VirtAddr virt;
    uint64_t memory_bytes;
    std::vector<std::byte> bytes;
  };

  format::ElfHeader header_;
  std::vector<format::Note> notes_;
  std::vector<Segment> loads_;
  size_t null_headers_ = 0;
  uint64_t headers_at_ = 0;
  std::function<void(std::vector<format::ElfSegment>&)> edit_;
};

}  // namespace hmem::makers
