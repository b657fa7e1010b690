// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/memmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "hmem/base/endian.h"

namespace hmem::walk {

namespace {

// Of section_mem_map: the pointer's low bits are flags, and the kernel keeps every array so aligned
// that there is room for them (SECTION_MAP_LAST_BIT is 5 or 6; the bits above are zero in the
// pointer anyway, since it is page-aligned less a multiple of a section's struct pages).
constexpr uint64_t kMarkedPresent = 1;
constexpr uint64_t kHasMemMap = 2;
constexpr uint64_t kFlagBits = 0x3f;

// 2^26 sections of 128 MiB are more than any machine addresses.
constexpr uint64_t kMaxSections = uint64_t{1} << 26;
constexpr uint64_t kMaxStructPageBytes = 256;
constexpr uint64_t kMaxMemSectionBytes = 256;
constexpr uint64_t kRootsPerPiece = 512;

Result<uint64_t> Needed(std::optional<uint64_t> value, std::string_view key) {
  if (value) return *value;
  return Fail(ErrorCode::kMissingDebugInfo, fmt::format("VMCOREINFO: no {}", key));
}

Result<uint64_t> Between(Result<uint64_t> value, uint64_t least, uint64_t most,
                         std::string_view key) {
  if (!value || (*value >= least && *value <= most)) return value;
  return Fail(ErrorCode::kCorrupt, fmt::format("VMCOREINFO: {} is {}", key, *value));
}

}  // namespace

Result<MemMap> MemMap::Create(const space::Vmcoreinfo& vmcoreinfo, const VirtReader& memory,
                              const types::TypeDb* types, uint32_t page_bytes) {
  HMEM_ASSIGN(uint64_t struct_page_bytes, Between(Needed(vmcoreinfo.Size("page"), "SIZE(page)"), 8,
                                                  kMaxStructPageBytes, "SIZE(page)"));
  if (struct_page_bytes % static_cast<uint64_t>(memory.word_bytes()) != 0) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("VMCOREINFO: SIZE(page) is {}", struct_page_bytes));
  }
  MemMap map(memory, struct_page_bytes);
  std::optional<VirtAddr> roots = vmcoreinfo.Symbol("mem_section");
  if (!roots) {
    std::optional<VirtAddr> flat = vmcoreinfo.Symbol("mem_map");
    if (!flat) {
      return Fail(ErrorCode::kMissingDebugInfo,
                  "VMCOREINFO: neither SYMBOL(mem_section) nor SYMBOL(mem_map)");
    }
    HMEM_ASSIGN(VirtAddr base, memory.Pointer(*flat));
    map.flat_ = Section{.pages = {Pfn(0), Pfn(std::numeric_limits<uint64_t>::max())},
                        .state = State::kPresent,
                        .base = base,
                        .failure = {}};
    return map;
  }

  map.roots_ = *roots;
  HMEM_ASSIGN(map.mem_section_bytes_,
              Between(Needed(vmcoreinfo.Size("mem_section"), "SIZE(mem_section)"),
                      static_cast<uint64_t>(memory.word_bytes()), kMaxMemSectionBytes,
                      "SIZE(mem_section)"));
  HMEM_ASSIGN(map.map_offset_,
              Between(Needed(vmcoreinfo.Offset("mem_section.section_mem_map"),
                             "OFFSET(mem_section.section_mem_map)"),
                      0, map.mem_section_bytes_ - static_cast<uint64_t>(memory.word_bytes()),
                      "OFFSET(mem_section.section_mem_map)"));
  HMEM_ASSIGN(uint64_t length,
              Between(Needed(vmcoreinfo.Number("LENGTH(mem_section)"), "LENGTH(mem_section)"), 1,
                      kMaxSections, "LENGTH(mem_section)"));
  HMEM_ASSIGN(uint64_t physical_bits, Between(Needed(vmcoreinfo.Number("NUMBER(MAX_PHYSMEM_BITS)"),
                                                     "NUMBER(MAX_PHYSMEM_BITS)"),
                                              1, 63, "NUMBER(MAX_PHYSMEM_BITS)"));
  const uint64_t per_root = page_bytes / map.mem_section_bytes_;
  std::optional<uint64_t> section_bits = vmcoreinfo.Number("NUMBER(SECTION_SIZE_BITS)");
  if (!section_bits) {
    // Not exported before 5.13. The roots of a sparse-extreme kernel cover the whole address space,
    // a power of two of sections.
    section_bits = physical_bits - static_cast<uint64_t>(std::bit_width(length * per_root) - 1);
  }
  const auto page_bits = static_cast<uint64_t>(std::bit_width(page_bytes) - 1);
  HMEM_ASSIGN(uint64_t bits,
              Between(*section_bits, page_bits, physical_bits, "NUMBER(SECTION_SIZE_BITS)"));
  HMEM_ASSIGN(map.section_count_, Between(uint64_t{1} << (physical_bits - bits), 1, kMaxSections,
                                          "2^(MAX_PHYSMEM_BITS - SECTION_SIZE_BITS)"));
  map.pages_per_section_ = uint64_t{1} << (bits - page_bits);
  map.roots_are_sections_ = length >= map.section_count_ && per_root > 1;
  map.sections_per_root_ = map.roots_are_sections_ ? 1 : std::max<uint64_t>(per_root, 1);
  map.section_count_ = std::min(map.section_count_, length * map.sections_per_root_);
  if (types != nullptr) {
    auto online = types->Enumerator("SECTION_IS_ONLINE_BIT");
    if (online && *online >= 0 && *online < 6) map.online_bit_ = uint64_t{1} << *online;
  }
  return map;
}

const MemMap::Section& MemMap::SectionOf(Pfn pfn) const {
  if (flat_) return *flat_;
  if (!last_.pages.contains(pfn)) last_ = Find(pfn);
  return last_;
}

MemMap::Section MemMap::Without(uint64_t first, uint64_t count,
                                std::optional<ErrorCode> failure) const {
  return {.pages = {Pfn(first * pages_per_section_), Pfn((first + count) * pages_per_section_)},
          .state = State::kAbsent,
          .base = {},
          .failure = failure};
}

uint64_t MemMap::WordAt(std::span<const std::byte> bytes, uint64_t offset) const {
  return memory_->word_bytes() == 8 ? Load<uint64_t>(bytes.data() + offset, memory_->endian())
                                    : Load<uint32_t>(bytes.data() + offset, memory_->endian());
}

const MemMap::Piece& MemMap::ReadPiece(Piece& piece, VirtAddr address, uint64_t bytes) const {
  if (piece.address == address && piece.bytes.size() == bytes) return piece;
  piece.address = address;
  piece.bytes.resize(bytes);
  piece.status = memory_->Read(address, piece.bytes);
  return piece;
}

MemMap::Section MemMap::Find(Pfn pfn) const {
  const uint64_t number = pfn.value / pages_per_section_;
  if (number >= section_count_) {
    return {.pages = {Pfn(section_count_ * pages_per_section_),
                      Pfn(std::numeric_limits<uint64_t>::max())},
            .state = State::kAbsent,
            .base = {},
            .failure = {}};
  }
  const uint64_t root = number / sections_per_root_;
  VirtAddr sections = roots_ + root * mem_section_bytes_;
  if (!roots_are_sections_) {
    const auto word = static_cast<uint64_t>(memory_->word_bytes());
    const uint64_t first_root = root / kRootsPerPiece * kRootsPerPiece;
    const uint64_t root_count = (section_count_ + sections_per_root_ - 1) / sections_per_root_;
    const uint64_t roots = std::min(kRootsPerPiece, root_count - first_root);
    const Piece& piece = ReadPiece(root_piece_, roots_ + first_root * word, roots * word);
    if (!piece.status) {
      return Without(first_root * sections_per_root_, roots * sections_per_root_,
                     piece.status.error().code());
    }
    sections = VirtAddr(WordAt(piece.bytes, (root - first_root) * word));
    if (sections.value == 0) return Without(root * sections_per_root_, sections_per_root_, {});
  }
  const Piece& piece = ReadPiece(section_piece_, sections, sections_per_root_ * mem_section_bytes_);
  if (!piece.status) {
    return Without(root * sections_per_root_, sections_per_root_, piece.status.error().code());
  }
  return Decode(number,
                std::span(piece.bytes)
                    .subspan(number % sections_per_root_ * mem_section_bytes_, mem_section_bytes_));
}

MemMap::Section MemMap::Decode(uint64_t number, std::span<const std::byte> mem_section) const {
  const uint64_t map = WordAt(mem_section, map_offset_);
  if ((map & kMarkedPresent) == 0 || (map & kHasMemMap) == 0) return Without(number, 1, {});
  Section section = Without(number, 1, {});
  section.state = online_bit_ != 0 && (map & online_bit_) == 0 ? State::kOffline : State::kPresent;
  section.base = VirtAddr(map & ~kFlagBits);
  return section;
}

std::optional<Pfn> MemMap::PfnOf(const Section& section, VirtAddr struct_page) const {
  const uint64_t distance = struct_page - section.base;
  if (distance % struct_page_bytes_ != 0) return std::nullopt;
  Pfn pfn(distance / struct_page_bytes_);
  if (section.pages.contains(pfn)) return pfn;
  const uint64_t number = pfn.value / pages_per_section_;
  if (flat_ || number >= section_count_) return std::nullopt;
  // With vmemmap all sections share one array; without, the address may be of another's.
  Section other = Find(pfn);
  if (other.state != State::kPresent || other.base != section.base) return std::nullopt;
  return pfn;
}

}  // namespace hmem::walk
