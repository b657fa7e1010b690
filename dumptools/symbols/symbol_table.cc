// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/symbols/symbol_table.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

namespace hmem::symbols {
namespace {

constexpr uint64_t kMaxComputedSize = 64 << 10;
// Aliases of one address that are looked at for a better name.
constexpr ptrdiff_t kMaxAliases = 64;

// Names that tools make, not people: call padding, mapping symbols, local labels.
bool IsMarker(std::string_view name) {
  return name.starts_with("__pfx_") || name.starts_with('$') || name.starts_with(".L");
}

}  // namespace

void SymbolTable::Reserve(size_t symbols, size_t name_bytes) {
  entries_.reserve(entries_.size() + symbols);
  names_.reserve(names_.size() + name_bytes);
}

uint32_t SymbolTable::AddModule(std::string_view name, std::vector<VirtRange> text) {
  modules_.push_back({.name = std::string(name), .text = std::move(text)});
  return static_cast<uint32_t>(modules_.size() - 1);
}

void SymbolTable::Add(uint32_t module, std::string_view name, VirtAddr address, uint64_t size_bytes,
                      char kind) {
  name = name.substr(0, std::numeric_limits<uint16_t>::max());
  // Offsets of names are 32 bits wide, modules 16: what does not fit is more than any kernel has.
  if (names_.size() + name.size() > std::numeric_limits<uint32_t>::max() ||
      module > std::numeric_limits<uint16_t>::max() || module >= modules_.size()) {
    return;
  }
  entries_.push_back({
      .address = address.value,
      .name_offset = static_cast<uint32_t>(names_.size()),
      .size_bytes = static_cast<uint32_t>(
          std::min<uint64_t>(size_bytes, std::numeric_limits<uint32_t>::max())),
      .name_bytes = static_cast<uint16_t>(name.size()),
      .module = static_cast<uint16_t>(module),
      .kind = kind,
      .own_size = size_bytes != 0,
  });
  names_ += name;
}

void SymbolTable::Seal() {
  auto before = [](const Entry& a, const Entry& b) {
    if (a.absolute() != b.absolute()) return a.absolute();
    return a.address < b.address;
  };
  if (!std::is_sorted(entries_.begin(), entries_.end(), before)) {
    std::stable_sort(entries_.begin(), entries_.end(), before);
  }
  first_located_ =
      static_cast<size_t>(std::partition_point(entries_.begin(), entries_.end(),
                                               [](const Entry& e) { return e.absolute(); }) -
                          entries_.begin());

  uint64_t next = std::numeric_limits<uint64_t>::max();  // address of the next distinct symbol
  uint64_t here = next;
  for (size_t i = entries_.size(); i-- > first_located_;) {
    Entry& entry = entries_[i];
    if (entry.address != here) {
      next = here;
      here = entry.address;
    }
    if (!entry.own_size) {
      entry.size_bytes = static_cast<uint32_t>(std::min(next - here, kMaxComputedSize));
    }
  }

  by_name_.assign(std::bit_ceil(std::max<size_t>(entries_.size() * 2, 16)), 0);
  const size_t mask = by_name_.size() - 1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    size_t slot = std::hash<std::string_view>()(NameOf(entries_[i])) & mask;
    while (by_name_[slot] != 0) slot = (slot + 1) & mask;
    by_name_[slot] = static_cast<uint32_t>(i + 1);
  }
}

std::string_view SymbolTable::NameOf(const Entry& entry) const {
  return std::string_view(names_).substr(entry.name_offset, entry.name_bytes);
}

Symbol SymbolTable::ToSymbol(const Entry& entry) const {
  return {.name = NameOf(entry),
          .address = VirtAddr(entry.address),
          .size_bytes = entry.size_bytes,
          .kind = entry.kind,
          .module = modules_[entry.module].name};
}

template <typename Visit>
void SymbolTable::ForEachNamed(std::string_view name, Visit visit) const {
  if (by_name_.empty()) return;
  const size_t mask = by_name_.size() - 1;
  // At most half full, so a free slot ends every search.
  for (size_t slot = std::hash<std::string_view>()(name) & mask; by_name_[slot] != 0;
       slot = (slot + 1) & mask) {
    const Entry& entry = entries_[by_name_[slot] - 1];
    if (NameOf(entry) == name && !visit(entry)) return;
  }
}

std::optional<Symbol> SymbolTable::Find(std::string_view name,
                                        std::optional<std::string_view> module) const {
  std::optional<Symbol> found;
  ForEachNamed(name, [&](const Entry& entry) {
    if (module && modules_[entry.module].name != *module) return true;
    found = ToSymbol(entry);
    return false;
  });
  return found;
}

std::vector<Symbol> SymbolTable::FindAll(std::string_view name) const {
  std::vector<Symbol> found;
  ForEachNamed(name, [&](const Entry& entry) {
    found.push_back(ToSymbol(entry));
    return true;
  });
  return found;
}

std::optional<Located> SymbolTable::Locate(VirtAddr address) const {
  auto begin = entries_.begin() + static_cast<ptrdiff_t>(first_located_);
  auto after = std::upper_bound(begin, entries_.end(), address.value,
                                [](uint64_t a, const Entry& e) { return a < e.address; });
  if (after == begin) return std::nullopt;
  const uint64_t nearest = std::prev(after)->address;
  auto first = std::lower_bound(begin, after, nearest,
                                [](const Entry& e, uint64_t a) { return e.address < a; });
  auto best = first;
  for (auto it = first; it != after && it - first < kMaxAliases; ++it) {
    if (!IsMarker(NameOf(*it))) {
      best = it;
      break;
    }
  }
  const uint64_t offset = address.value - nearest;
  if (offset >= best->size_bytes) return std::nullopt;
  for (const VirtRange& range : modules_[best->module].text) {
    if (range.contains(VirtAddr(nearest)) && !range.contains(address)) return std::nullopt;
  }
  return Located{.symbol = ToSymbol(*best), .offset = offset};
}

Symbol SymbolTable::At(size_t index) const { return ToSymbol(entries_[index]); }

}  // namespace hmem::symbols
