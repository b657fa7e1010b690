// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/symbols/kallsyms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "hmem/base/endian.h"

namespace hmem::symbols {
namespace {

constexpr uint64_t kMaxSymbols = 4 << 20;
constexpr uint64_t kMaxNamesBytes = 64 << 20;
constexpr uint64_t kTypicalNameBytes = 32;  // packed; where nothing says how long the names are
constexpr size_t kMaxNameBytes = 4096;      // KSYM_NAME_LEN is 512; hostile ones end here
constexpr size_t kTokens = 256;
constexpr uint64_t kMaxTokenTableBytes = 64 << 10;  // token_index entries are 16 bits wide
constexpr uint64_t kMarkerStride = 256;             // one marker for so many symbols
constexpr std::string_view kAnchor = "_stext";      // the symbol that decides between layouts

// As many bytes as can be read, up to n: a dump may have lost the pages behind.
std::vector<std::byte> ReadPrefix(const VirtReader& memory, VirtAddr addr, uint64_t n) {
  constexpr uint64_t kPage = 4096;
  std::vector<std::byte> bytes(n);
  if (memory.Read(addr, bytes)) return bytes;
  // Page by page up to the one that is missing.
  uint64_t done = 0;
  while (done < n) {
    const uint64_t step = std::min(kPage - (addr.value + done) % kPage, n - done);
    if (!memory.Read(addr + done, std::span(bytes).subspan(done, step))) break;
    done += step;
  }
  bytes.resize(done);
  return bytes;
}

// The 256 texts that the bytes of a packed name stand for.
class Tokens {
 public:
  // So many bytes can be read behind the start of every text.
  static constexpr size_t kPadding = 16;

  static Result<Tokens> Load(const VirtReader& memory, VirtAddr table, VirtAddr index) {
    std::array<std::byte, kTokens * sizeof(uint16_t)> raw;
    HMEM_TRY(Within("kallsyms_token_index", memory.Read(index, raw)));
    // The index follows the table in every layout.
    uint64_t table_bytes = kMaxTokenTableBytes;
    if (index > table) table_bytes = std::min(table_bytes, index - table);
    Tokens tokens;
    tokens.bytes_ = ReadPrefix(memory, table, table_bytes);
    std::string_view text(reinterpret_cast<const char*>(tokens.bytes_.data()),
                          tokens.bytes_.size());
    for (size_t i = 0; i < kTokens; ++i) {
      auto start = hmem::Load<uint16_t>(raw.data() + i * sizeof(uint16_t), memory.endian());
      size_t end = start < text.size() ? text.find('\0', start) : std::string_view::npos;
      if (end == std::string_view::npos) {
        return Fail(ErrorCode::kCorrupt,
                    fmt::format("kallsyms_token_index: token {} at {:#x}, table has {:#x} bytes", i,
                                start, text.size()));
      }
      tokens.start_[i] = start;
      tokens.length_[i] = static_cast<uint16_t>(end - start);
    }
    tokens.bytes_.resize(tokens.bytes_.size() + kPadding);
    return tokens;
  }

  std::string_view operator[](std::byte token) const {
    auto i = std::to_integer<size_t>(token);
    return {reinterpret_cast<const char*>(bytes_.data()) + start_[i], length_[i]};
  }

 private:
  std::vector<std::byte> bytes_;
  std::array<uint16_t, kTokens> start_{};
  std::array<uint16_t, kTokens> length_{};
};

// How many tokens a name has: one byte, or from 6.1 on (73bbb94466fd) two when the first has its
// top bit set. Both read alike unless a name has more than 127 tokens.
enum class LengthCode { kOneOrTwoBytes, kOneByte };

// Steps over the names: each a length, then so many tokens.
class NameCursor {
 public:
  NameCursor(std::span<const std::byte> names, LengthCode code) : names_(names), code_(code) {}

  // The tokens of the next name. False at the end of the bytes; the position then stays.
  bool Next(std::span<const std::byte>* packed) {
    size_t at = position_;
    if (at >= names_.size()) return false;
    auto length = std::to_integer<size_t>(names_[at++]);
    if (code_ == LengthCode::kOneOrTwoBytes && (length & 0x80) != 0) {
      if (at >= names_.size()) return false;
      length = (length & 0x7f) | (std::to_integer<size_t>(names_[at++]) << 7);
    }
    if (length > names_.size() - at) return false;
    *packed = names_.subspan(at, length);
    position_ = at + length;
    return true;
  }
  size_t position() const { return position_; }

 private:
  std::span<const std::byte> names_;
  LengthCode code_;
  size_t position_ = 0;
};

// What a first pass over the names finds.
struct Survey {
  LengthCode code = LengthCode::kOneOrTwoBytes;
  uint64_t symbols = 0;           // whole names inside the bytes
  uint64_t decoded_bytes = 0;     // of all names, type letters included
  std::vector<uint64_t> anchors;  // indices of names that read "_stext"; a few at most
  bool markers_agree = false;     // kallsyms_markers lie behind and point at every 256th name
};

// The text of a packed name, type letter first.
class Unpacker {
 public:
  explicit Unpacker(const Tokens& tokens) : tokens_(tokens) {}

  // The view lasts until the next call. Cut at kMaxNameBytes.
  std::string_view operator()(std::span<const std::byte> packed) {
    size_t size = 0;
    for (std::byte token : packed) {
      const std::string_view text = tokens_[token];
      if (text.size() > kMaxNameBytes - size) break;
      if (text.size() <= Tokens::kPadding) {
        std::memcpy(buffer_.data() + size, text.data(), Tokens::kPadding);  // faster than exact
      } else {
        std::memcpy(buffer_.data() + size, text.data(), text.size());
      }
      size += text.size();
    }
    return {buffer_.data(), size};
  }

 private:
  const Tokens& tokens_;
  std::array<char, kMaxNameBytes + Tokens::kPadding> buffer_{};
};

bool IsAnchor(const Tokens& tokens, std::span<const std::byte> packed) {
  size_t skip = 1;  // the type letter
  size_t matched = 0;
  for (std::byte token : packed) {
    std::string_view text = tokens[token];
    size_t drop = std::min(skip, text.size());
    skip -= drop;
    text.remove_prefix(drop);
    if (!kAnchor.substr(matched).starts_with(text)) return false;
    matched += text.size();
  }
  return matched == kAnchor.size();
}

Survey SurveyNames(std::span<const std::byte> names, LengthCode code, uint64_t num_syms,
                   const Tokens& tokens, const VirtReader& memory) {
  constexpr size_t kMaxAnchors = 16;
  Survey survey{.code = code};
  std::vector<uint32_t> starts;  // of every 256th name
  NameCursor cursor(names, code);
  std::span<const std::byte> packed;
  for (; survey.symbols < num_syms; ++survey.symbols) {
    if (survey.symbols % kMarkerStride == 0) {
      starts.push_back(static_cast<uint32_t>(cursor.position()));
    }
    if (!cursor.Next(&packed)) break;
    for (std::byte token : packed) survey.decoded_bytes += tokens[token].size();
    if (survey.anchors.size() < kMaxAnchors && IsAnchor(tokens, packed)) {
      survey.anchors.push_back(survey.symbols);
    }
  }
  if (survey.symbols < num_syms) return survey;

  // scripts/kallsyms.c aligns the markers to 8 (4 on 32-bit).
  const auto align = static_cast<size_t>(memory.word_bytes());
  const size_t markers = (cursor.position() + align - 1) / align * align;
  if (markers > names.size() || starts.size() > (names.size() - markers) / sizeof(uint32_t)) {
    return survey;
  }
  survey.markers_agree = true;
  for (size_t i = 0; i < starts.size() && survey.markers_agree; ++i) {
    survey.markers_agree =
        Load<uint32_t>(names.data() + markers + i * sizeof(uint32_t), memory.endian()) == starts[i];
  }
  return survey;
}

// How an address is kept; in the order in which they are tried.
enum class AddressCode {
  kAbsolutePercpu,  // CONFIG_KALLSYMS_ABSOLUTE_PERCPU, 4.6-6.14: offset < 0 ? base - 1 - offset :
                    // offset
  kBaseRelative,    // CONFIG_KALLSYMS_BASE_RELATIVE, 4.6+: base + (u32)offset
  kPlaceRelative,   // 7.0+ (a081b5789255): address of the entry + (s32)offset
  kAddresses,       // unsigned long kallsyms_addresses[], up to 6.10
};

// kallsyms_offsets or kallsyms_addresses, as much as can be read.
class Addresses {
 public:
  Addresses(const VirtReader& memory, VirtAddr start, bool is_offsets, uint64_t count)
      : start_(start),
        entry_bytes_(is_offsets ? sizeof(uint32_t) : static_cast<size_t>(memory.word_bytes())),
        endian_(memory.endian()),
        address_mask_(memory.word_bytes() == 4 ? UINT32_MAX : UINT64_MAX),
        bytes_(ReadPrefix(memory, start, count * entry_bytes_)) {}

  uint64_t count() const { return bytes_.size() / entry_bytes_; }

  VirtAddr At(uint64_t i, AddressCode code, uint64_t relative_base) const {
    const std::byte* entry = bytes_.data() + i * entry_bytes_;
    if (code == AddressCode::kAddresses) {
      return VirtAddr(entry_bytes_ == 4 ? Load<uint32_t>(entry, endian_)
                                        : Load<uint64_t>(entry, endian_));
    }
    const auto raw = Load<uint32_t>(entry, endian_);
    const auto extended = static_cast<uint64_t>(int64_t{static_cast<int32_t>(raw)});
    uint64_t value = 0;
    switch (code) {
      case AddressCode::kAbsolutePercpu:
        value = (raw >> 31) == 0 ? raw : relative_base - 1 - extended;
        break;
      case AddressCode::kBaseRelative:
        value = relative_base + raw;
        break;
      default:
        value = start_.value + i * entry_bytes_ + extended;
        break;
    }
    return VirtAddr(value & address_mask_);
  }

 private:
  VirtAddr start_;
  size_t entry_bytes_;
  Endian endian_;
  uint64_t address_mask_;
  std::vector<std::byte> bytes_;
};

Result<VirtAddr> Key(const space::Vmcoreinfo& vmcoreinfo, std::string_view name) {
  if (auto symbol = vmcoreinfo.Symbol(name)) return *symbol;
  return Fail(ErrorCode::kNotFound, fmt::format("VMCOREINFO: no SYMBOL({})", name));
}

// The code under which a name "_stext" gets the address that VMCOREINFO gives.
std::optional<AddressCode> DecideAddressCode(const Addresses& addresses,
                                             std::span<const AddressCode> candidates,
                                             uint64_t relative_base,
                                             std::span<const uint64_t> anchors, VirtAddr stext) {
  for (AddressCode code : candidates) {
    for (uint64_t i : anchors) {
      if (i < addresses.count() && addresses.At(i, code, relative_base) == stext) return code;
    }
  }
  return std::nullopt;
}

}  // namespace

Status LoadKallsyms(const VirtReader& memory, const space::Vmcoreinfo& vmcoreinfo,
                    SymbolTable& table, Findings& findings) {
  HMEM_ASSIGN(VirtAddr stext, Key(vmcoreinfo, kAnchor));
  HMEM_ASSIGN(VirtAddr names_at, Key(vmcoreinfo, "kallsyms_names"));
  HMEM_ASSIGN(VirtAddr count_at, Key(vmcoreinfo, "kallsyms_num_syms"));
  HMEM_ASSIGN(VirtAddr token_table_at, Key(vmcoreinfo, "kallsyms_token_table"));
  HMEM_ASSIGN(VirtAddr token_index_at, Key(vmcoreinfo, "kallsyms_token_index"));
  std::optional<VirtAddr> offsets_at = vmcoreinfo.Symbol("kallsyms_offsets");
  std::optional<VirtAddr> base_at = vmcoreinfo.Symbol("kallsyms_relative_base");
  std::optional<VirtAddr> addresses_at = vmcoreinfo.Symbol("kallsyms_addresses");
  if (!offsets_at && !addresses_at) {
    return Fail(ErrorCode::kNotFound,
                "VMCOREINFO: no SYMBOL(kallsyms_offsets) and no SYMBOL(kallsyms_addresses)");
  }

  HMEM_ASSIGN(uint64_t num_syms, Within("kallsyms_num_syms", memory.U32(count_at)));
  if (num_syms == 0 || num_syms > kMaxSymbols) {
    return Fail(ErrorCode::kCorrupt, fmt::format("kallsyms_num_syms: {} symbols", num_syms));
  }
  HMEM_ASSIGN(Tokens tokens, Tokens::Load(memory, token_table_at, token_index_at));

  // The token table lies behind the names and their markers in every layout.
  uint64_t names_bytes = num_syms * kTypicalNameBytes;
  if (token_table_at > names_at) names_bytes = token_table_at - names_at;
  const std::vector<std::byte> names =
      ReadPrefix(memory, names_at, std::min(names_bytes, kMaxNamesBytes));
  Survey survey = SurveyNames(names, LengthCode::kOneOrTwoBytes, num_syms, tokens, memory);
  if (!survey.markers_agree) {
    Survey old = SurveyNames(names, LengthCode::kOneByte, num_syms, tokens, memory);
    if (old.markers_agree || (survey.anchors.empty() && !old.anchors.empty())) {
      survey = std::move(old);
    }
  }

  uint64_t relative_base = 0;
  std::vector<AddressCode> candidates;
  if (offsets_at && base_at) {
    HMEM_ASSIGN(relative_base, Within("kallsyms_relative_base", memory.Word(*base_at)));
    candidates = {AddressCode::kAbsolutePercpu, AddressCode::kBaseRelative};
  }
  candidates.push_back(offsets_at ? AddressCode::kPlaceRelative : AddressCode::kAddresses);
  const Addresses addresses(memory, offsets_at ? *offsets_at : *addresses_at,
                            offsets_at.has_value(), num_syms);
  std::optional<AddressCode> code =
      DecideAddressCode(addresses, candidates, relative_base, survey.anchors, stext);
  if (!code) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("kallsyms: {} of {} names read, {} of them _stext, none at {:#x} in "
                            "any layout",
                            survey.symbols, num_syms, survey.anchors.size(), stext.value));
  }
  if (survey.symbols == num_syms && !survey.markers_agree) {
    findings.Add(Severity::kInfo, "symbols.kallsyms.markers", "",
                 "kallsyms_markers do not agree with the names; _stext decided the layout alone");
  }
  const uint64_t usable = std::min(survey.symbols, addresses.count());
  if (usable < num_syms) {
    findings.Add(Severity::kLoss, "symbols.kallsyms.cut",
                 fmt::format("symbol {} of {}", usable, num_syms),
                 "kallsyms is not readable to its end; the symbols behind are missing");
  }

  // A hostile table may unpack to far more than it has bytes.
  table.Reserve(usable, std::min<uint64_t>(survey.decoded_bytes, kMaxNamesBytes));
  uint64_t decoded_bytes = 0;
  NameCursor cursor(names, survey.code);
  std::span<const std::byte> packed;
  Unpacker unpack(tokens);
  for (uint64_t i = 0; i < usable && cursor.Next(&packed); ++i) {
    const std::string_view text = unpack(packed);
    decoded_bytes += text.size();
    if (decoded_bytes > kMaxNamesBytes) {
      return Fail(
          ErrorCode::kLimit,
          fmt::format("kallsyms: names of more than {} bytes at symbol {}", kMaxNamesBytes, i));
    }
    if (text.size() < 2) {
      findings.Add(Severity::kLoss, "symbols.kallsyms.empty", fmt::format("symbol {}", i),
                   "a symbol without a name was skipped");
      continue;
    }
    table.Add(0, text.substr(1), addresses.At(i, *code, relative_base), 0, text[0]);
  }
  return {};
}

}  // namespace hmem::symbols
