// SPDX-License-Identifier: GPL-2.0-or-later
// Page tables in a fake's physical memory, one mapping at a time.
//
//   X86PageTables tables(phys, PhysAddr(0x1000), 5);
//   tables.Map(VirtAddr(0xff11000000000000), PhysAddr(0x40000000), 1 << 30);
//   phys.PutU64(tables.Slot(VirtAddr(0xff11000000000000), 4), 0);  // spoil the P4D entry
#pragma once

#include <cstdint>

#include "hmem/base/address.h"
#include "tests/fakes/fake_memory.h"

namespace hmem::makers {

// Tables are taken one page after the other from `root` on; `phys` must outlive it.
class X86PageTables {
 public:
  X86PageTables(fakes::FakePhysMemory& phys, PhysAddr root, int levels);

  // Bits to set in every entry beside address and flags (sme_mask).
  X86PageTables& EntryBits(uint64_t bits);
  // page_bytes: 4 KiB, 2 MiB or 1 GiB; both addresses aligned to it.
  X86PageTables& Map(VirtAddr virt, PhysAddr phys, uint64_t page_bytes = 4096);
  // Where the entry of that level (1: PTE) for `virt` lies; makes the tables above it.
  PhysAddr Slot(VirtAddr virt, int level);

  PhysAddr root() const { return root_; }
  // First byte behind the tables made so far.
  PhysAddr end() const { return next_; }

 private:
  fakes::FakePhysMemory& phys_;
  PhysAddr root_;
  PhysAddr next_;
  int levels_;
  uint64_t entry_bits_ = 0;
};

// Book3S-32: a table of 1024 words that point at tables of 1024 words.
class PpcPageTables {
 public:
  PpcPageTables(fakes::FakePhysMemory& phys, PhysAddr root);

  PpcPageTables& Map(VirtAddr virt, PhysAddr phys);  // one 4 KiB page
  PhysAddr Slot(VirtAddr virt, int level);           // 2: PGD, 1: PTE
  PhysAddr end() const { return next_; }

 private:
  fakes::FakePhysMemory& phys_;
  PhysAddr root_;
  PhysAddr next_;
};

}  // namespace hmem::makers
