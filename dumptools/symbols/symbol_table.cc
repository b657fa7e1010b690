// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/symbols/symbol_table.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <tuple>

namespace hmem::symbols {
namespace {

constexpr uint64_t kMaxComputedSize = 64 << 10;
constexpr size_t kMaxNameBytes = 65535;
// Aliases of one address that are looked at for a better name.
constexpr ptrdiff_t kMaxAliases = 64;

// Names that tools make, not people: call padding, mapping symbols, local labels.
bool IsMarker(std::string_view name) {
  return name.starts_with("__pfx_") || name.starts_with('$') || name.starts_with(".L");
}

uint32_t HashOf(std::string_view name) {
  return static_cast<uint32_t>(std::hash<std::string_view>()(name));
}

// Indices of `entries` by hash, module, place. Into buckets of the hash's highest bits first: what
// is left to sort in each are a few entries, where a sort of them all would jump about all entries
// for every comparison.
template <typename Entry>
void SortByName(std::span<const Entry> entries, std::span<uint32_t> by_name) {
  constexpr uint32_t kBucketBits = 14;
  auto bucket_of = [](const Entry& entry) { return entry.hash >> (32 - kBucketBits); };
  std::vector<uint32_t> ends((1U << kBucketBits) + 1);  // at first, where a bucket starts
  for (const Entry& entry : entries) ++ends[bucket_of(entry) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  for (uint32_t i = 0; i < entries.size(); ++i) by_name[ends[bucket_of(entries[i])]++] = i;
  auto before = [&](uint32_t a, uint32_t b) {
    return std::tie(entries[a].hash, entries[a].module, a) <
           std::tie(entries[b].hash, entries[b].module, b);
  };
  auto start = by_name.begin();
  for (uint32_t end : ends) {
    auto behind = by_name.begin() + static_cast<ptrdiff_t>(end);
    std::sort(start, behind, before);
    start = behind;
  }
}

}  // namespace

void SymbolTable::Reserve(size_t symbols) { entries_.reserve(symbols); }

uint32_t SymbolTable::AddModule(std::string_view name, std::vector<VirtRange> text) {
  modules_.push_back({.name = std::string(name), .text = std::move(text)});
  return static_cast<uint32_t>(modules_.size() - 1);
}

void SymbolTable::AddStored(uint32_t place, std::string_view name, VirtAddr address, char kind) {
  entries_.push_back({.address = address.value,
                      .name = place,
                      .hash = HashOf(name),
                      .size_bytes = 0,
                      .module = 0,
                      .kind = kind,
                      .own_size = false,
                      .stored = true});
}

void SymbolTable::Add(uint32_t module, std::string_view name, VirtAddr address, uint64_t size_bytes,
                      char kind) {
  name = name.substr(0, std::min<size_t>(name.find('\0'), kMaxNameBytes));
  // Offsets of names are 32 bits wide: what does not fit is more than any kernel has.
  if (names_.size() + name.size() > std::numeric_limits<uint32_t>::max() || module > kMaxModules ||
      module >= modules_.size()) {
    return;
  }
  entries_.push_back({.address = address.value,
                      .name = static_cast<uint32_t>(names_.size()),
                      .hash = HashOf(name),
                      .size_bytes = static_cast<uint32_t>(
                          std::min<uint64_t>(size_bytes, std::numeric_limits<uint32_t>::max())),
                      .module = static_cast<uint16_t>(module),
                      .kind = kind,
                      .own_size = size_bytes != 0,
                      .stored = false});
  names_.append(name).push_back('\0');
}

void SymbolTable::Seal() {
  // Names of a module are laid down in the order of Add, so their places keep equals in it: a sort
  // in place, where a stable one would ask for as much memory again.
  auto before = [](const Entry& a, const Entry& b) {
    if (a.absolute() != b.absolute()) return a.absolute();
    return std::tie(a.address, a.module, a.name) < std::tie(b.address, b.module, b.name);
  };
  if (!std::ranges::is_sorted(entries_, before)) std::ranges::sort(entries_, before);
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

  by_name_.resize(entries_.size());
  SortByName(std::span<const Entry>(entries_), by_name_);
}

std::string_view SymbolTable::NameOf(const Entry& entry) const {
  return entry.stored ? store_->NameAt(entry.name) : std::string_view(names_.c_str() + entry.name);
}

Symbol SymbolTable::ToSymbol(const Entry& entry) const {
  std::string_view name = NameOf(entry);
  if (entry.stored) name = asked_.try_emplace(entry.name, name).first->second;
  return {.name = name,
          .address = VirtAddr(entry.address),
          .size_bytes = entry.size_bytes,
          .kind = entry.kind,
          .module = modules_[entry.module].name};
}

template <typename Visit>
void SymbolTable::ForEachNamed(std::string_view name, Visit visit) const {
  const uint32_t hash = HashOf(name);
  auto hash_of = [&](uint32_t i) { return entries_[i].hash; };
  for (auto it = std::ranges::lower_bound(by_name_, hash, {}, hash_of);
       it != by_name_.end() && hash_of(*it) == hash; ++it) {
    if (NameOf(entries_[*it]) == name && !visit(size_t{*it})) return;
  }
}

std::optional<Symbol> SymbolTable::Find(std::string_view name,
                                        std::optional<std::string_view> module) const {
  std::optional<size_t> first;
  ForEachNamed(name, [&](size_t i) {
    if (module && modules_[entries_[i].module].name != *module) return true;
    first = std::min(first.value_or(i), i);
    // The kernel is one module; of others there may be two of one name.
    return !(module && module->empty());
  });
  if (!first) return std::nullopt;
  return ToSymbol(entries_[*first]);
}

std::vector<Symbol> SymbolTable::FindAll(std::string_view name) const {
  std::vector<size_t> indices;
  ForEachNamed(name, [&](size_t i) {
    indices.push_back(i);
    return true;
  });
  std::ranges::sort(indices);
  std::vector<Symbol> found;
  found.reserve(indices.size());
  for (size_t i : indices) found.push_back(ToSymbol(entries_[i]));
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
