// SPDX-License-Identifier: GPL-2.0-or-later
// Where the kernel keeps the struct page of each pfn: sparse memory, with or without vmemmap, or
// one flat array (include/linux/mmzone.h, include/asm-generic/memory_model.h, mm/sparse.c). Found
// through VMCOREINFO alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dumptools/types/type_db.h"
#include "hmem/base/address.h"
#include "hmem/base/result.h"
#include "hmem/base/virt_reader.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::walk {

// Not thread-safe: the section last asked for is remembered.
class MemMap {
 public:
  // `memory` must outlive it; `types` may be absent. kMissingDebugInfo names the key that
  // VMCOREINFO lacks, kCorrupt one that no kernel writes.
  static Result<MemMap> Create(const space::Vmcoreinfo& vmcoreinfo, const VirtReader& memory,
                               const types::TypeDb* types, uint32_t page_bytes);

  enum class State {
    kAbsent,   // no struct pages: a hole, or a part of the map that cannot be read
    kOffline,  // memory that was taken offline; its struct pages say nothing
    kPresent,
  };
  // Pages in a row that share an answer: of a section, or more where there is none.
  struct Section {
    PfnRange pages;
    State state = State::kAbsent;
    VirtAddr base;                     // where the struct page of pfn 0 would be: wraps
    std::optional<ErrorCode> failure;  // kAbsent: why the map could not be read
  };
  const Section& SectionOf(Pfn pfn) const;

  VirtAddr AddressOf(const Section& section, Pfn pfn) const {
    return section.base + pfn.value * struct_page_bytes_;
  }
  // The pfn of a struct page near `section`: in it, or in one that shares its array. Nothing:
  // the address is of no struct page that this can be said of.
  std::optional<Pfn> PfnOf(const Section& section, VirtAddr struct_page) const;

  // Struct pages of pfns in a row, all of one section. out.size() is a multiple of their size.
  Status Read(const Section& section, Pfn first, std::span<std::byte> out) const {
    return memory_->Read(AddressOf(section, first), out);
  }

 private:
  MemMap(const VirtReader& memory, uint64_t struct_page_bytes)
      : memory_(&memory), struct_page_bytes_(struct_page_bytes) {}

  Section Find(Pfn pfn) const;
  // `count` sections from number `first` on: what there is to say of all of them.
  Section Without(uint64_t first, uint64_t count, std::optional<ErrorCode> failure) const;
  Section Decode(uint64_t number, std::span<const std::byte> mem_section) const;
  uint64_t WordAt(std::span<const std::byte> bytes, uint64_t offset) const;

  const VirtReader* memory_;
  uint64_t struct_page_bytes_;

  // Flat: the only section. Sparse: nothing.
  std::optional<Section> flat_;
  VirtAddr roots_;  // array of pointers; of the sections themselves when per_root_ is 1
  bool roots_are_sections_ = false;
  uint64_t section_count_ = 0;
  uint64_t pages_per_section_ = 1;
  uint64_t sections_per_root_ = 1;
  uint64_t mem_section_bytes_ = 0;
  uint64_t map_offset_ = 0;  // of section_mem_map
  uint64_t online_bit_ = 0;  // mask; 0: the kernel does not say

  mutable Section last_;
  // Remembered pieces of the tables: which, and what was read of it.
  struct Piece {
    VirtAddr address;
    std::vector<std::byte> bytes;
    Status status;
  };
  const Piece& ReadPiece(Piece& piece, VirtAddr address, uint64_t bytes) const;
  mutable Piece root_piece_;     // some root pointers
  mutable Piece section_piece_;  // the sections of one root
};

}  // namespace hmem::walk
