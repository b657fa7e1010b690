// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/page_tables.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace hmem::arch::x86_64 {
namespace {

constexpr uint64_t kPresent = 1 << 0;
constexpr uint64_t kPageSize = 1 << 7;                 // this entry is a page, not a table
constexpr uint64_t kAddressBits = 0x000ffffffffff000;  // bits 12-51
constexpr int kIndexBits = 9;
constexpr int kPageShift = 12;
constexpr uint64_t kDefaultImageBytes = 512 << 20;          // KERNEL_IMAGE_SIZE without kaslr
constexpr uint64_t kLargestImageBytes = uint64_t{2} << 30;  // from __START_KERNEL_map to the top

// Level 1 is the PTE.
std::string_view LevelName(int level, int levels) {
  if (level == levels) return "PGD";
  constexpr std::array<std::string_view, 5> kNames = {"", "PTE", "PMD", "PUD", "P4D"};
  return kNames[static_cast<size_t>(level)];
}

constexpr int ShiftOf(int level) { return kPageShift + (level - 1) * kIndexBits; }

// Bits 63..(width-1) must all be equal.
bool IsCanonical(VirtAddr addr, int levels) {
  int width = ShiftOf(levels + 1);
  auto top = static_cast<int64_t>(addr.value) >> (width - 1);
  return top == 0 || top == -1;
}

constexpr size_t kEntries = 1 << kIndexBits;
constexpr uint64_t kTableBytes = kEntries * sizeof(uint64_t);

// The way from the root to a table.
struct Path {
  const Path* above = nullptr;
  PhysAddr table;

  bool Has(PhysAddr other) const {
    return table == other || (above != nullptr && above->Has(other));
  }
};

// One table and what lies below it. `start` is the address that its first entry maps.
void VisitBelow(const PhysReader& phys, const TranslationFacts& facts, int level, const Path& path,
                uint64_t start, size_t first, size_t last, TableVisitor& visitor) {
  const PhysAddr table = path.table;
  if (!visitor.Table(table, kTableBytes)) return;
  std::array<std::byte, kTableBytes> bytes;
  if (Status status = phys.Read(table, bytes); !status) {
    visitor.Unreadable(table, status.error());
    return;
  }
  const uint64_t address_bits = kAddressBits & ~facts.encryption_mask;
  const uint64_t span = uint64_t{1} << ShiftOf(level);
  for (size_t i = first; i < last; ++i) {
    const auto entry = Load<uint64_t>(&bytes[i * sizeof(uint64_t)], Endian::kLittle);
    if ((entry & kPresent) == 0) continue;
    uint64_t at = start + i * span;
    if (level == facts.levels && i >= kEntries / 2) at |= ~uint64_t{0} << ShiftOf(level + 1);
    if (level == 1 || (level <= 3 && (entry & kPageSize) != 0)) {
      const uint64_t end = at + span == 0 ? ~uint64_t{0} : at + span;
      visitor.Leaf({.virt = {VirtAddr(at), VirtAddr(end)},
                    .phys = PhysAddr(entry & address_bits & ~(span - 1))});
    } else if ((entry & kPageSize) == 0) {
      const PhysAddr next(entry & address_bits);
      if (path.Has(next)) {
        visitor.Unreadable(
            next, Error(ErrorCode::kCorrupt,
                        fmt::format("{} entry at phys {:#x}: {:#x}: leads back to a table above it",
                                    LevelName(level, facts.levels),
                                    (table + i * sizeof(uint64_t)).value, entry)));
        continue;
      }
      VisitBelow(phys, facts, level - 1, {.above = &path, .table = next}, at, 0, kEntries, visitor);
    }
  }
}

}  // namespace

Result<TranslationFacts> FactsFromNumbers(const NumberLookup& numbers) {
  std::optional<uint64_t> root = numbers("SYMBOL(swapper_pg_dir)");
  if (!root) root = numbers("SYMBOL(init_top_pgt)");  // named init_level4_pgt before 4.13
  if (!root) {
    return Fail(ErrorCode::kNotFound,
                "VMCOREINFO: no SYMBOL(swapper_pg_dir) and no SYMBOL(init_top_pgt)");
  }
  std::optional<uint64_t> phys_base = numbers("NUMBER(phys_base)");
  if (!phys_base) return Fail(ErrorCode::kNotFound, "VMCOREINFO: no NUMBER(phys_base)");

  TranslationFacts facts;
  facts.phys_base = *phys_base;
  facts.levels = numbers("NUMBER(pgtable_l5_enabled)").value_or(0) != 0 ? 5 : 4;
  facts.kernel_offset = numbers("KERNELOFFSET").value_or(0);
  facts.encryption_mask = numbers("NUMBER(sme_mask)").value_or(0);
  uint64_t image_bytes = numbers("NUMBER(KERNEL_IMAGE_SIZE)").value_or(kDefaultImageBytes);
  if (image_bytes == 0 || image_bytes > kLargestImageBytes) image_bytes = kDefaultImageBytes;
  // One byte short of the end of the address space at most: the range is half-open.
  uint64_t end = image_bytes == kLargestImageBytes ? ~uint64_t{0} : kKernelMap + image_bytes;
  facts.fixed = {VirtAddr(kKernelMap), VirtAddr(end)};

  std::optional<PhysAddr> root_phys = KernelImage(facts, VirtAddr(*root));
  if (!root_phys) {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("VMCOREINFO: top-level page table at {:#x}, outside the kernel image", *root));
  }
  facts.root = *root_phys;
  return facts;
}

Result<Mapping> Walk(const PhysReader& phys, const TranslationFacts& facts, VirtAddr addr) {
  if (facts.levels != 4 && facts.levels != 5) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} page-table levels", facts.levels));
  }
  if (!IsCanonical(addr, facts.levels)) {
    return Fail(ErrorCode::kNotMapped,
                fmt::format("virt {:#x}: not canonical with {} levels", addr.value, facts.levels));
  }
  const uint64_t address_bits = kAddressBits & ~facts.encryption_mask;
  PhysAddr table = facts.root;
  for (int level = facts.levels; level >= 1; --level) {
    const int shift = ShiftOf(level);
    const uint64_t index = (addr.value >> shift) & ((1 << kIndexBits) - 1);
    const PhysAddr slot = table + index * sizeof(uint64_t);
    auto place = [&] {
      return fmt::format("virt {:#x}: {} entry at phys {:#x}", addr.value,
                         LevelName(level, facts.levels), slot.value);
    };
    std::array<std::byte, sizeof(uint64_t)> bytes;
    if (Status status = phys.Read(slot, bytes); !status) {
      if (status.error().code() == ErrorCode::kNotFound) {
        return Fail(ErrorCode::kCorrupt, place() + ": no RAM there");
      }
      return std::unexpected(std::move(status).error().Within(place()));
    }
    const uint64_t entry = Load<uint64_t>(bytes.data(), Endian::kLittle);
    if ((entry & kPresent) == 0) {
      return Fail(ErrorCode::kNotMapped, fmt::format("{}: {:#x}: not present", place(), entry));
    }
    if (level == 1 || (entry & kPageSize) != 0) {
      if (level > 3) {
        return Fail(
            ErrorCode::kCorrupt,
            fmt::format("{}: {:#x}: page-size bit at a level without pages", place(), entry));
      }
      const uint64_t page_bytes = uint64_t{1} << shift;
      const VirtAddr start(addr.value & ~(page_bytes - 1));
      // The last page of the address space would end at 2^64; nothing is mapped in its last byte.
      const uint64_t end = start.value + page_bytes == 0 ? ~uint64_t{0} : start.value + page_bytes;
      return Mapping{.virt = {start, VirtAddr(end)},
                     .phys = PhysAddr(entry & address_bits & ~(page_bytes - 1))};
    }
    table = PhysAddr(entry & address_bits);
  }
  std::unreachable();
}

void VisitTables(const PhysReader& phys, const TranslationFacts& facts, Half half,
                 TableVisitor& visitor) {
  if (facts.levels != 4 && facts.levels != 5) return;
  const bool kernel = half == Half::kKernel;
  VisitBelow(phys, facts, facts.levels, {.table = facts.root}, 0, kernel ? kEntries / 2 : 0,
             kernel ? kEntries : kEntries / 2, visitor);
}

std::optional<PhysAddr> KernelImage(const TranslationFacts& facts, VirtAddr addr) {
  if (!facts.fixed.contains(addr)) return std::nullopt;
  return PhysAddr(addr.value - kKernelMap + facts.phys_base);
}

}  // namespace hmem::arch::x86_64
