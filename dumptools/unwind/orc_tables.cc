// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/unwind/orc_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>

namespace hmem::unwind {
namespace {

constexpr uint64_t kMaxEntries = 16 << 20;
constexpr uint64_t kBlockEntries = 256;  // read at once when the search has come this close
// The layout is decided by so many pieces of so many entries.
constexpr uint64_t kPieces = 8;
constexpr uint64_t kPieceEntries = 512;
constexpr uint64_t kIpBytes = sizeof(int32_t);

Result<VirtAddr> Need(const symbols::SymbolTable& symbols, std::string_view name) {
  std::optional<symbols::Symbol> symbol = symbols.Find(name, "");
  if (!symbol) return Fail(ErrorCode::kMissingDebugInfo, fmt::format("ORC: no symbol {}", name));
  return symbol->address;
}

struct Sample {
  std::vector<std::byte> entries;
  std::optional<Error> missing;  // why some are not among them
};

// The first entries of the table and, where some of these are not in the dump, others from all over
// it.
Sample ReadSample(const VirtReader& memory, VirtAddr entries, uint64_t count) {
  Sample sample;
  auto take = [&](uint64_t first) {
    if (first >= count) return;
    std::vector<std::byte> piece(std::min(kPieceEntries, count - first) * kOrcEntryBytes);
    if (Status status = memory.Read(entries + first * kOrcEntryBytes, piece); status) {
      sample.entries.insert(sample.entries.end(), piece.begin(), piece.end());
    } else if (!sample.missing) {
      sample.missing = std::move(status).error();
    }
  };
  for (uint64_t i = 0; i < kPieces; ++i) take(i * kPieceEntries);
  if (!sample.missing || count <= kPieces * kPieceEntries) return sample;
  for (uint64_t i = 1; i <= kPieces; ++i) take(kPieces * kPieceEntries + count / (kPieces + 1) * i);
  return sample;
}

Result<OrcVersion> DecideVersion(const VirtReader& memory, const symbols::SymbolTable& symbols,
                                 VirtAddr entries, uint64_t count, Findings& findings) {
  std::optional<OrcVersion> by_header;
  if (std::optional<symbols::Symbol> header = symbols.Find("__start_orc_header", "")) {
    std::array<std::byte, kOrcHeaderBytes> bytes;
    if (memory.Read(header->address, bytes)) by_header = OrcVersionOfHeader(bytes);
  }
  const Sample sample = ReadSample(memory, entries, count);
  const std::optional<OrcVersion> by_entries = ProbeOrcVersion(sample.entries, memory.endian());
  if (by_header && by_entries && *by_header != *by_entries) {
    findings.Add(Severity::kInfo, "unwind.orc.version",
                 fmt::format("header says {}, entries look like {}", static_cast<int>(*by_header),
                             static_cast<int>(*by_entries)),
                 "ORC header and entries disagree about the layout; the header is believed");
  }
  if (by_header) return *by_header;
  if (by_entries) return *by_entries;
  if (sample.missing) return std::unexpected(sample.missing->Within("ORC: entries"));
  return Fail(ErrorCode::kUnsupported,
              fmt::format("ORC: virt {:#x}: a layout of entries that is not known", entries.value));
}

}  // namespace

Result<OrcTables> OrcTables::Create(const VirtReader& memory, const symbols::SymbolTable& symbols,
                                    Findings& findings) {
  HMEM_ASSIGN(VirtAddr ip_start, Need(symbols, "__start_orc_unwind_ip"));
  HMEM_ASSIGN(VirtAddr ip_stop, Need(symbols, "__stop_orc_unwind_ip"));
  HMEM_ASSIGN(VirtAddr start, Need(symbols, "__start_orc_unwind"));
  HMEM_ASSIGN(VirtAddr stop, Need(symbols, "__stop_orc_unwind"));
  if (ip_stop <= ip_start || stop <= start) {
    return Fail(ErrorCode::kMissingDebugInfo, "ORC: the kernel's tables are empty");
  }
  uint64_t count = (ip_stop - ip_start) / kIpBytes;
  if ((ip_stop - ip_start) % kIpBytes != 0 || count > kMaxEntries ||
      count * kOrcEntryBytes != stop - start) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("ORC: tables of {} and {} bytes do not belong together",
                            ip_stop - ip_start, stop - start));
  }
  HMEM_ASSIGN(OrcVersion version, DecideVersion(memory, symbols, start, count, findings));
  return OrcTables(memory, version,
                   OrcTable{.name = "kernel",
                            .ip_table = ip_start,
                            .entry_table = start,
                            .count = count,
                            .code = {}});
}

OrcTables::OrcTables(const VirtReader& memory, OrcVersion version, OrcTable kernel)
    : memory_(&memory), version_(version), kernel_{.table = std::move(kernel)} {}

Result<uint64_t> OrcTables::IpAt(const Searched& searched, uint64_t position) const {
  uint64_t index = searched.order.empty() ? position : searched.order[position];
  VirtAddr slot = searched.table.ip_table + index * kIpBytes;
  HMEM_ASSIGN(uint32_t relative, memory_->U32(slot));
  return slot.value + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(relative)));
}

// Reads the whole ip table once, in blocks; keeps something only when it is out of order.
Status OrcTables::FindOrder(const Searched& searched) const {
  const OrcTable& table = searched.table;
  bool sorted = true;
  uint64_t before = 0;
  std::vector<uint64_t> ips;
  for (bool keep : {false, true}) {
    for (uint64_t first = 0; first < table.count && (sorted || keep); first += kBlockEntries) {
      uint64_t n = std::min(kBlockEntries, table.count - first);
      std::array<std::byte, kBlockEntries * kIpBytes> block;
      VirtAddr at = table.ip_table + first * kIpBytes;
      HMEM_TRY(memory_->Read(at, std::span(block).first(n * kIpBytes)));
      for (uint64_t i = 0; i < n; ++i) {
        auto relative = Load<int32_t>(block.data() + i * kIpBytes, memory_->endian());
        uint64_t ip =
            at.value + i * kIpBytes + static_cast<uint64_t>(static_cast<int64_t>(relative));
        if (keep) ips.push_back(ip);
        if (ip < before) sorted = false;
        before = ip;
      }
    }
    if (sorted) break;
  }
  searched.order_known = true;
  if (sorted) return {};
  // Entries that only end a section ("gap") come first among equals, so that a search finds the
  // real one.
  std::vector<bool> gap(table.count);
  for (uint64_t i = 0; i < table.count; ++i) {
    Result<OrcEntry> entry = EntryAt(searched, i);
    gap[i] = !entry || entry->type == OrcType::kUndefined;
  }
  searched.order.resize(table.count);
  std::iota(searched.order.begin(), searched.order.end(), 0U);
  std::sort(searched.order.begin(), searched.order.end(), [&](uint32_t a, uint32_t b) {
    if (ips[a] != ips[b]) return ips[a] < ips[b];
    if (gap[a] != gap[b]) return static_cast<bool>(gap[a]);
    return a < b;
  });
  return {};
}

// Position of the last entry whose ip is at or below pc; nothing when the first is above.
Result<std::optional<uint64_t>> OrcTables::Search(const Searched& searched, VirtAddr pc) const {
  uint64_t low = 0, high = searched.table.count;  // the answer + 1 is in [low, high]
  while (high - low > (searched.order.empty() ? kBlockEntries : 0)) {
    uint64_t middle = low + (high - low) / 2;
    HMEM_ASSIGN(uint64_t ip, IpAt(searched, middle));
    if (ip <= pc.value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low < high) {
    std::array<std::byte, kBlockEntries * kIpBytes> block;
    VirtAddr at = searched.table.ip_table + low * kIpBytes;
    HMEM_TRY(memory_->Read(at, std::span(block).first((high - low) * kIpBytes)));
    uint64_t n = high - low, i = 0;
    for (; i < n; ++i) {
      auto relative = Load<int32_t>(block.data() + i * kIpBytes, memory_->endian());
      if (at.value + i * kIpBytes + static_cast<uint64_t>(static_cast<int64_t>(relative)) >
          pc.value)
        break;
    }
    low += i;
  }
  if (low == 0) return std::nullopt;
  return low - 1;
}

Result<OrcEntry> OrcTables::EntryAt(const Searched& searched, uint64_t position) const {
  uint64_t index = searched.order.empty() ? position : searched.order[position];
  std::array<std::byte, kOrcEntryBytes> bytes;
  HMEM_TRY(memory_->Read(searched.table.entry_table + index * kOrcEntryBytes, bytes));
  return DecodeOrcEntry(bytes, version_, memory_->endian());
}

Result<OrcEntry> OrcTables::Find(VirtAddr pc) const {
  Cached& cached = cache_[(pc.value ^ pc.value >> 10) % kCacheEntries];
  if (cached.valid && cached.pc == pc) return cached.entry;

  const Searched* searched = &kernel_;
  for (const Searched& module : modules_) {
    if (std::ranges::any_of(module.table.code,
                            [&](const VirtRange& range) { return range.contains(pc); })) {
      searched = &module;
    }
  }
  if (searched != &kernel_) {
    if (searched->table.count == 0 || searched->table.count > kMaxEntries) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("module {} has no ORC table", searched->table.name));
    }
    if (!searched->order_known) {
      HMEM_TRY(Within(fmt::format("ORC of module {}", searched->table.name), FindOrder(*searched)));
    }
  }
  std::string place = fmt::format("ORC of {}", searched->table.name);
  auto none = [&] {
    return Fail(ErrorCode::kNotFound, fmt::format("no ORC entry for {:#x}", pc.value));
  };
  HMEM_ASSIGN(std::optional<uint64_t> position, Within(place, Search(*searched, pc)));
  if (!position) return none();
  HMEM_ASSIGN(OrcEntry entry, Within(place, EntryAt(*searched, *position)));
  // The kernel's last entry ends its text: what lies behind is not code of any table.
  if (searched == &kernel_ && entry.type == OrcType::kUndefined &&
      *position + 1 == kernel_.table.count) {
    return none();
  }
  cached = Cached{.pc = pc, .entry = entry, .valid = true};
  return entry;
}

bool OrcTables::IsCode(VirtAddr pc) const {
  Result<OrcEntry> entry = Find(pc);
  return entry && entry->type != OrcType::kUndefined && entry->type != OrcType::kUnknown;
}

}  // namespace hmem::unwind
