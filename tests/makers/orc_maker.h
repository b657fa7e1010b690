// SPDX-License-Identifier: GPL-2.0-or-later
// .orc_unwind_ip and .orc_unwind in fake memory, entry by entry, in any of the four layouts.
//
//   OrcMaker orc(unwind::OrcVersion::k3);
//   orc.Add(VirtAddr(0xffffffff81000000), {.sp_offset = 8, .sp_base = OrcBase::kSp, .type =
//   OrcType::kCall}); unwind::OrcTable table = orc.Put(memory, ip_table, entry_table);
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "dumptools/unwind/orc_format.h"
#include "dumptools/unwind/orc_tables.h"
#include "tests/fakes/fake_memory.h"

namespace hmem::makers {

class OrcMaker {
 public:
  explicit OrcMaker(unwind::OrcVersion version) : version_(version) {}

  OrcMaker& Add(VirtAddr pc, const unwind::OrcEntry& entry);
  // What most code is: the return address `sp_offset - 8` bytes above the stack pointer.
  OrcMaker& AddCall(VirtAddr pc, int16_t sp_offset);
  OrcMaker& AddEnd(VirtAddr pc);
  OrcMaker& AddGap(VirtAddr pc);

  // Writes both tables in the order of the calls.
  unwind::OrcTable Put(fakes::FakeVirtMemory& memory, VirtAddr ip_table,
                       VirtAddr entry_table) const;

 private:
  struct Item {
    VirtAddr pc;
    unwind::OrcEntry entry;
  };
  unwind::OrcVersion version_;
  std::vector<Item> items_;
};

std::array<std::byte, unwind::kOrcEntryBytes> EncodeOrcEntry(const unwind::OrcEntry& entry,
                                                             unwind::OrcVersion version);

}  // namespace hmem::makers
