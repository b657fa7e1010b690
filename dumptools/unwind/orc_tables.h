// SPDX-License-Identifier: GPL-2.0-or-later
// The ORC tables of the kernel and its modules, searched where they lie in the dump: memory stays
// constant however many entries there are (some 400,000 in a distribution kernel).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dumptools/symbols/symbol_table.h"
#include "dumptools/unwind/orc_format.h"
#include "hmem/base/address.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/base/virt_reader.h"

namespace hmem::unwind {

// One .orc_unwind_ip and its .orc_unwind: entry i is for code from ip[i] (s32, relative to its own
// address) on.
struct OrcTable {
  std::string name;             // "kernel" or the module, for errors
  VirtAddr ip_table;            // s32 each
  VirtAddr entry_table;         // kOrcEntryBytes each
  uint64_t count = 0;           // at most 16 Mi
  std::vector<VirtRange> code;  // addresses it serves; empty: from its first entry on
};

// `memory` must outlive it. Not thread-safe: recent answers and the order of unsorted tables are
// cached.
class OrcTables {
 public:
  // The kernel's tables by their symbols. The layout is that of __start_orc_header where its hash
  // is known, else what the entries themselves say. kMissingDebugInfo: no ORC in this kernel.
  // kUnsupported: no layout fits. The code of a missing page where entries are too few to tell.
  static Result<OrcTables> Create(const VirtReader& memory, const symbols::SymbolTable& symbols,
                                  Findings& findings);
  // For tables found otherwise.
  OrcTables(const VirtReader& memory, OrcVersion version, OrcTable kernel);

  // A module's tables. The kernel sorts them when it loads the module; a table that is not sorted
  // (a module caught while loading) gets an index at its first use.
  void AddModule(OrcTable table) { modules_.push_back(Searched{.table = std::move(table)}); }

  OrcVersion version() const { return version_; }
  // The entry for the instruction at `pc`: the last one at or below it. kNotFound: no table serves
  // this address (generated code, or no code at all). Other errors: the table cannot be read.
  Result<OrcEntry> Find(VirtAddr pc) const;
  // Whether some table says anything about `pc` but "gap".
  bool IsCode(VirtAddr pc) const;

 private:
  struct Searched {
    OrcTable table;
    mutable bool order_known = false;
    mutable std::vector<uint32_t> order;  // of an unsorted table
  };
  struct Cached {
    VirtAddr pc;
    OrcEntry entry;
    bool valid = false;
  };

  Result<uint64_t> IpAt(const Searched& searched, uint64_t position) const;
  Status FindOrder(const Searched& searched) const;
  Result<std::optional<uint64_t>> Search(const Searched& searched, VirtAddr pc) const;
  Result<OrcEntry> EntryAt(const Searched& searched, uint64_t position) const;

  const VirtReader* memory_;
  OrcVersion version_;
  Searched kernel_;
  std::vector<Searched> modules_;
  static constexpr size_t kCacheEntries = 1024;
  mutable std::vector<Cached> cache_ = std::vector<Cached>(kCacheEntries);
};

}  // namespace hmem::unwind
