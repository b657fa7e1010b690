// SPDX-License-Identifier: GPL-2.0-or-later
// Names and addresses of the kernel and its modules, with run-time (relocated) addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
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

// Names that lie packed somewhere and are made when asked for.
class NameStore {
 public:
  virtual ~NameStore() = default;
  // The view lasts until the next call.
  virtual std::string_view NameAt(uint32_t place) const = 0;
};

struct Located {
  Symbol symbol;
  uint64_t offset = 0;  // into the symbol
};

// Fill with Add, then Seal; lookups see what was there at the last Seal. More may be added and
// sealed later (module symbols are found through kernel symbols). Memory: 28 bytes for each symbol,
// and the name where no store keeps it: 150,000 symbols must fit beside a capture kernel. Not
// thread-safe: names from the store are kept once they were asked for.
class SymbolTable {
 public:
  // Symbols of modules beyond are dropped: an entry has 16 bits for its module.
  static constexpr size_t kMaxModules = 65535;

  // Room for so many symbols in all, to spare copies.
  void Reserve(size_t symbols);
  // Index to pass to Add; 0 is the kernel. A symbol inside one of the `text` ranges does not reach
  // beyond it.
  uint32_t AddModule(std::string_view name, std::vector<VirtRange> text);
  // Where AddStored's names are; there is one store at most, and it comes first.
  void SetStore(std::unique_ptr<const NameStore> store) { store_ = std::move(store); }
  // A symbol of the kernel whose name the store has at `place`.
  void AddStored(uint32_t place, std::string_view name, VirtAddr address, char kind);
  // size_bytes 0: up to the next symbol. Names longer than 64 KiB are cut, and where a NUL is.
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
    uint32_t name;  // offset into names_, or the store's place
    uint32_t hash;  // of the name
    uint32_t size_bytes;
    uint16_t module;
    char kind;
    bool own_size : 1;  // size_bytes was given, not computed
    bool stored : 1;

    bool absolute() const { return kind == 'A' || kind == 'a'; }
  };
  struct Module {
    std::string name;
    std::vector<VirtRange> text;
  };

  // The view of a stored name lasts until the next call.
  std::string_view NameOf(const Entry& entry) const;
  Symbol ToSymbol(const Entry& entry) const;
  // Calls visit(entry index) for every symbol of that name until it returns false: the kernel's
  // first, then module by module, each by address.
  template <typename Visit>
  void ForEachNamed(std::string_view name, Visit visit) const;

  std::unique_ptr<const NameStore> store_;
  // By place; what Symbol::name points at.
  mutable std::unordered_map<uint32_t, std::string> asked_;
  std::string names_;           // each with a NUL
  std::vector<Entry> entries_;  // after Seal: absolute ones, then the rest, each by address
  size_t first_located_ = 0;    // first entry that is not absolute
  // Indices of entries, by hash, module, address. A dump may give one name to any number of
  // symbols, so no search may walk over equal ones to place the next: the index is sorted, not
  // probed.
  std::vector<uint32_t> by_name_;
  std::vector<Module> modules_{Module{}};
};

}  // namespace hmem::symbols
