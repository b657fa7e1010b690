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

// Fill with Add, then Seal; lookups see what was there at the last Seal. More may be added and
// sealed later (module symbols are found through kernel symbols). Memory: 24 bytes, the name and
// 8 bytes of index for each symbol.
class SymbolTable {
 public:
  // Symbols of modules beyond are dropped: an entry has 16 bits for its module.
  static constexpr size_t kMaxModules = 65535;

  // Room for as many symbols and bytes of names, to spare copies.
  void Reserve(size_t symbols, size_t name_bytes);
  // Index to pass to Add; 0 is the kernel. A symbol inside one of the `text` ranges does not reach
  // beyond it.
  uint32_t AddModule(std::string_view name, std::vector<VirtRange> text);
  // size_bytes 0: up to the next symbol. Names longer than 64 KiB are cut.
  void Add(uint32_t module, std::string_view name, VirtAddr address, uint64_t size_bytes,
           char kind);
  void Seal();

  size_t size() const { return entries_.size(); }
  // The first by address of that name; in `module` alone when given ("" is the kernel).
  std::optional<Symbol> Find(std::string_view name,
                             std::optional<std::string_view> module = std::nullopt) const;
  std::vector<Symbol> FindAll(std::string_view name) const;
  // The nearest symbol at or below `address`, if the address is inside its size. Of several at one
  // address the first added wins, as in the kernel's own lookup, so that names agree with its log;
  // "__pfx_x", "$x" and ".Lx" come last. Absolute symbols (kind 'A': numbers, and on x86_64 up to
  // 6.14 offsets into the per-CPU area) are never located.
  std::optional<Located> Locate(VirtAddr address) const;
  // Absolute symbols first, then by address (for `sym --list`).
  Symbol At(size_t index) const;

 private:
  struct Entry {
    uint64_t address;
    uint32_t name_offset;
    uint32_t size_bytes;
    uint16_t name_bytes;
    uint16_t module;
    char kind;
    bool own_size;  // size_bytes was given, not computed

    bool absolute() const { return kind == 'A' || kind == 'a'; }
  };
  struct Module {
    std::string name;
    std::vector<VirtRange> text;
  };

  // A dump may give one name to any number of symbols, so no search may walk over equal ones to
  // place the next: the index is sorted, not probed.
  struct NameKey {
    uint32_t hash;
    uint32_t entry;
  };

  std::string_view NameOf(const Entry& entry) const;
  Symbol ToSymbol(const Entry& entry) const;
  // Calls visit(entry index) for every symbol of that name until it returns false: the kernel's
  // first, then module by module, each by address.
  template <typename Visit>
  void ForEachNamed(std::string_view name, Visit visit) const;

  std::string names_;
  std::vector<Entry> entries_;    // after Seal: absolute ones, then the rest, each by address
  size_t first_located_ = 0;      // first entry that is not absolute
  std::vector<NameKey> by_name_;  // by hash, module, address
  std::vector<Module> modules_{Module{}};
};

}  // namespace hmem::symbols
