// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/page_table_maker.h"

#include <array>

namespace hmem::makers {
namespace {

constexpr uint64_t kTableBytes = 4096;

template <typename T>
T Entry(const fakes::FakePhysMemory& phys, PhysAddr slot, Endian endian) {
  std::array<std::byte, sizeof(T)> bytes{};
  if (!phys.Read(slot, bytes)) return 0;
  return Load<T>(bytes.data(), endian);
}

}  // namespace

X86PageTables::X86PageTables(fakes::FakePhysMemory& phys, PhysAddr root, int levels)
    : phys_(phys), root_(root), next_(root + kTableBytes), levels_(levels) {
  phys_.AddZero({root, next_});
}

X86PageTables& X86PageTables::EntryBits(uint64_t bits) {
  entry_bits_ = bits;
  return *this;
}

PhysAddr X86PageTables::Slot(VirtAddr virt, int level) {
  constexpr uint64_t kPresentWritable = 0x67;
  constexpr uint64_t kAddressBits = 0x000ffffffffff000;
  PhysAddr table = root_;
  for (int at = levels_;; --at) {
    const PhysAddr slot = table + ((virt.value >> (12 + 9 * (at - 1))) & 511) * 8;
    if (at == level) return slot;
    auto entry = Entry<uint64_t>(phys_, slot, Endian::kLittle);
    if (entry == 0) {
      phys_.AddZero({next_, next_ + kTableBytes});
      entry = next_.value | kPresentWritable | entry_bits_;
      next_ = next_ + kTableBytes;
      phys_.PutU64(slot, entry);
    }
    table = PhysAddr(entry & kAddressBits & ~entry_bits_);
  }
}

X86PageTables& X86PageTables::Map(VirtAddr virt, PhysAddr phys, uint64_t page_bytes) {
  constexpr uint64_t kKernelPage = 0x8000000000000163;  // NX, global, dirty, accessed, writable
  constexpr uint64_t kLarge = 0x80;
  const int level = page_bytes == 4096 ? 1 : page_bytes == 2 << 20 ? 2 : 3;
  phys_.PutU64(Slot(virt, level),
               phys.value | kKernelPage | (level > 1 ? kLarge : 0) | entry_bits_);
  return *this;
}

PpcPageTables::PpcPageTables(fakes::FakePhysMemory& phys, PhysAddr root)
    : phys_(phys), root_(root), next_(root + kTableBytes) {
  phys_.AddZero({root, next_});
}

PhysAddr PpcPageTables::Slot(VirtAddr virt, int level) {
  const PhysAddr pgd = root_ + (virt.value >> 22) * 4;
  if (level == 2) return pgd;
  auto table = Entry<uint32_t>(phys_, pgd, Endian::kBig);
  if (table == 0) {
    table = static_cast<uint32_t>(next_.value);
    phys_.AddZero({next_, next_ + kTableBytes});
    next_ = next_ + kTableBytes;
    phys_.PutU32(pgd, table);
  }
  return PhysAddr(table) + ((virt.value >> 12) & 1023) * 4;
}

PpcPageTables& PpcPageTables::Map(VirtAddr virt, PhysAddr phys) {
  constexpr uint32_t kKernelPage = 0x591;  // present, dirty, accessed, writable, coherent
  phys_.PutU32(Slot(virt, 1), static_cast<uint32_t>(phys.value) | kKernelPage);
  return *this;
}

}  // namespace hmem::makers
