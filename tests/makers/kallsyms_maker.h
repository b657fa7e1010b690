// SPDX-License-Identifier: GPL-2.0-or-later
// kallsyms as scripts/kallsyms.c writes it, in every layout there has been.
//
//   KallsymsMaker maker({.address_code = KallsymsMaker::AddressCode::kAbsolutePercpu});
//   maker.Add('A', "runqueues", 0x31980).Add('T', "_stext", 0xffffffff81000000);
//   std::string keys = maker.Store(memory, VirtAddr(0xffffffff82000000));
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"
#include "tests/fakes/fake_memory.h"

namespace hmem::makers {

class KallsymsMaker {
 public:
  enum class AddressCode { kAbsolutePercpu, kBaseRelative, kPlaceRelative, kAddresses };
  struct Layout {
    AddressCode address_code = AddressCode::kAbsolutePercpu;
    bool long_lengths = true;   // lengths from 128 tokens on take two bytes (6.1+)
    bool offsets_last = false;  // behind the token index (6.4+) instead of in front
    bool markers = true;        // false: garbage in their place
    bool sequences = false;     // kallsyms_seqs_of_names between markers and token table (6.2, 6.3)
  };

  explicit KallsymsMaker(Layout layout) : layout_(layout) {}
  // In address order, as the kernel has them.
  KallsymsMaker& Add(char kind, std::string_view name, uint64_t address);

  // Writes all tables from `at` on; returns the VMCOREINFO lines that lead to them, SYMBOL(_stext)
  // (from the symbol of that name) included.
  std::string Store(fakes::FakeVirtMemory& memory, VirtAddr at) const;

 private:
  struct Symbol {
    char kind;
    std::string name;
    uint64_t address;
  };

  Layout layout_;
  std::vector<Symbol> symbols_;
};

}  // namespace hmem::makers
