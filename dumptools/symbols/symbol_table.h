// SPDX-License-Identifier: GPL-2.0-or-later
// Names and addresses of the kernel and its modules, with run-time (relocated) addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"

namespace hmem::symbols {

struct Symbol {
  std::string_view name;  // lives as long as the table
  VirtAddr address;
  // Distance to the next symbol where the format has no size; capped at 64 KiB.
  uint64_t size_bytes = 0;
  char kind = '?';          // nm letter: 't', 'T', 'd', 'A', ...
  std::string_view module;  // empty: the kernel itself
};

struct Located {
  Symbol symbol;
  uint64_t offset = 0;  // into the symbol
};

// Fill with Add, then Seal once; lookups only after Seal.
class SymbolTable {
 public:
  // Index to pass to Add; 0 is the kernel. `text` ranges keep addresses behind a module's last
  // symbol from resolving.
  uint32_t AddModule(std::string_view name, std::vector<VirtRange> text);
  void Add(uint32_t module, std::string_view name, VirtAddr address, uint64_t size_bytes,
           char kind);
  void Seal();

  size_t size() const { return entries_.size(); }
  // The first by address of that name; in `module` alone when given ("" is the kernel).
  std::optional<Symbol> Find(std::string_view name,
                             std::optional<std::string_view> module = std::nullopt) const;
  std::vector<Symbol> FindAll(std::string_view name) const;
  // The nearest symbol at or below `address`, if the address is inside its size. Of several at one
  // address a global, non-absolute, not "__pfx_"/"$x"-like name wins.
  std::optional<Located> Locate(VirtAddr address) const;
  // All symbols in address order (for `sym --list`).
  Symbol At(size_t index) const;

 private:
  struct Entry {
    uint64_t address;
    uint64_t size_bytes;
    uint32_t name_offset;
    uint16_t name_bytes;
    uint16_t module;
    char kind;
  };
  Symbol ToSymbol(const Entry& entry) const;

  std::string names_;
  std::vector<Entry> entries_;     // by address after Seal
  std::vector<uint32_t> by_name_;  // indices into entries_, by name
  struct Module {
    std::string name;
    std::vector<VirtRange> text;
  };
  std::vector<Module> modules_{Module{}};
};

}  // namespace hmem::symbols
