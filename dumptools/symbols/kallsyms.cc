// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/symbols/kallsyms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hmem/base/endian.h"
#include "hmem/space/partial_read.h"

namespace hmem::symbols {
namespace {

constexpr uint64_t kMaxSymbols = 4 << 20;
constexpr uint64_t kMaxNamesBytes = 64 << 20;
constexpr uint64_t kTypicalNameBytes = 32;  // packed; where nothing says how long the names are
constexpr size_t kMaxNameBytes = 4096;      // KSYM_NAME_LEN is 512; hostile ones end here
constexpr size_t kTokens = 256;
constexpr uint64_t kMaxTokenTableBytes = 64 << 10;  // token_index entries are 16 bits wide
constexpr uint64_t kMarkerStride = 256;             // one marker for so many symbols
constexpr uint64_t kModuleShare = 4;                // room for a quarter more, see LoadKallsyms
constexpr std::string_view kAnchor = "_stext";      // the symbol that decides between layouts

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
    const space::PartialRead read = space::ReadWithHoles(memory, table, table_bytes);
    Tokens tokens;
    tokens.bytes_.assign(read.bytes.begin(), read.bytes.end());
    std::string_view text(reinterpret_cast<const char*>(tokens.bytes_.data()),
                          tokens.bytes_.size());
    for (size_t i = 0; i < kTokens; ++i) {
      auto start = hmem::Load<uint16_t>(raw.data() + i * sizeof(uint16_t), memory.endian());
      const size_t end = start < text.size() ? text.find('\0', start) : std::string_view::npos;
      if (end == std::string_view::npos) {
        return Fail(ErrorCode::kCorrupt,
                    fmt::format("kallsyms_token_index: token {} at {:#x}, table has {:#x} bytes", i,
                                start, text.size()));
      }
      if (!read.Covers(start, end - start + 1)) {
        return std::unexpected(read.error->Within("kallsyms_token_table"));
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
  NameCursor(const space::PartialRead& names, LengthCode code) : names_(names), code_(code) {
    Seek(0);
  }

  // The tokens of the next name. False where it is not readable to its end; the position then
  // stays.
  bool Next(std::span<const std::byte>* packed) {
    const std::span<const std::byte> bytes = names_.bytes;
    size_t at = position_;
    if (at >= limit_) return false;
    auto length = std::to_integer<size_t>(bytes[at++]);
    if (code_ == LengthCode::kOneOrTwoBytes && (length & 0x80) != 0) {
      if (at >= limit_) return false;
      length = (length & 0x7f) | (std::to_integer<size_t>(bytes[at++]) << 7);
    }
    if (length > limit_ - at) return false;
    *packed = bytes.subspan(at, length);
    position_ = at + length;
    return true;
  }
  // Goes on at `position`. False if that is behind us: no byte is gone over twice.
  bool Seek(size_t position) {
    if (position < position_) return false;
    position_ = position;
    limit_ = names_.ReadableTo(position);
    return true;
  }
  size_t position() const { return position_; }

 private:
  const space::PartialRead& names_;
  LengthCode code_;
  size_t position_ = 0;
  size_t limit_ = 0;  // where the bytes that can be read end
};

// Where every 256th name begins (kallsyms_markers); kNoMarker where that cannot be read.
constexpr uint32_t kNoMarker = UINT32_MAX;

// Calls visit(index, offset, tokens) for every name that can be read, until it returns false. What
// lies behind a hole is reached through the markers.
template <typename Visit>
void ForEachName(const space::PartialRead& names, LengthCode code, uint64_t num_syms,
                 std::span<const uint32_t> markers, Visit visit) {
  NameCursor cursor(names, code);
  std::span<const std::byte> packed;
  bool lost = false;
  for (uint64_t first = 0; first < num_syms; first += kMarkerStride) {
    if (lost) {
      const uint64_t block = first / kMarkerStride;
      if (block >= markers.size()) return;
      if (markers[block] == kNoMarker || !cursor.Seek(markers[block])) continue;
      lost = false;
    }
    const uint64_t end = std::min(first + kMarkerStride, num_syms);
    for (uint64_t i = first; i < end && !lost; ++i) {
      const size_t at = cursor.position();
      if (!cursor.Next(&packed)) {
        lost = true;
      } else if (!visit(i, at, packed)) {
        return;
      }
    }
  }
}

// The markers of names with holes, found from the other side: `names` ends where the token table
// begins. Between may lie three bytes for each symbol (kallsyms_seqs_of_names, 6.2 and 6.3, and
// where it was backported). Empty: not there.
std::vector<uint32_t> LocateMarkers(const space::PartialRead& names, uint64_t num_syms,
                                    const VirtReader& memory) {
  const auto align = static_cast<uint64_t>(memory.word_bytes());
  auto aligned = [&](uint64_t n) { return (n + align - 1) / align * align; };
  const uint64_t count = (num_syms + kMarkerStride - 1) / kMarkerStride;
  for (uint64_t between : {uint64_t{0}, aligned(num_syms * 3)}) {
    const uint64_t room = aligned(count * sizeof(uint32_t)) + between;
    if (room > names.bytes.size()) continue;
    const uint64_t start = names.bytes.size() - room;
    std::vector<uint32_t> markers(count, kNoMarker);
    std::optional<uint32_t> before;
    bool rising = true;
    for (uint64_t i = 0; i < count && rising; ++i) {
      const uint64_t at = start + i * sizeof(uint32_t);
      if (!names.Covers(at, sizeof(uint32_t))) continue;
      markers[i] = Load<uint32_t>(names.bytes.data() + at, memory.endian());
      rising = before ? markers[i] > *before : (i > 0 || markers[i] == 0);
      rising = rising && markers[i] < start;
      before = markers[i];
    }
    if (rising && before) return markers;
  }
  return {};
}

// What a first pass over the names finds.
struct Survey {
  LengthCode code = LengthCode::kOneOrTwoBytes;
  uint64_t symbols = 0;           // names that can be read
  std::vector<uint64_t> anchors;  // indices of names that read "_stext"; a few at most
  bool markers_agree = false;     // kallsyms_markers point at every 256th name
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

// The names as they lie in the kernel: half of what they are as text, and often lent.
class PackedNames final : public NameStore {
 public:
  PackedNames(space::PartialRead names, LengthCode code, Tokens tokens)
      : names_(std::move(names)), code_(code), tokens_(std::move(tokens)) {}

  std::string_view NameAt(uint32_t place) const override {
    NameCursor cursor(names_, code_);
    std::span<const std::byte> packed;
    if (!cursor.Seek(place) || !cursor.Next(&packed)) return {};
    std::string_view text = unpack_(packed);
    return text.substr(std::min<size_t>(1, text.size()));  // without the type letter
  }

 private:
  space::PartialRead names_;
  LengthCode code_;
  Tokens tokens_;
  mutable Unpacker unpack_{tokens_};
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

Survey SurveyNames(const space::PartialRead& names, LengthCode code, uint64_t num_syms,
                   std::span<const uint32_t> markers, const Tokens& tokens,
                   const VirtReader& memory) {
  constexpr size_t kMaxAnchors = 16;
  Survey survey{.code = code};
  std::vector<std::pair<uint64_t, uint32_t>> starts;  // of every 256th name: number and offset
  size_t end = 0;
  ForEachName(names, code, num_syms, markers,
              [&](uint64_t i, size_t at, std::span<const std::byte> packed) {
                if (i % kMarkerStride == 0) {
                  starts.emplace_back(i / kMarkerStride, static_cast<uint32_t>(at));
                }
                if (survey.anchors.size() < kMaxAnchors && IsAnchor(tokens, packed)) {
                  survey.anchors.push_back(i);
                }
                ++survey.symbols;
                end = static_cast<size_t>(packed.data() + packed.size() - names.bytes.data());
                return true;
              });
  if (survey.symbols < num_syms) {
    survey.markers_agree = !markers.empty() && std::ranges::all_of(starts, [&](const auto& start) {
      return markers[start.first] == start.second || markers[start.first] == kNoMarker;
    });
    return survey;
  }
  // scripts/kallsyms.c aligns the markers to 8 (4 on 32-bit).
  const auto align = static_cast<size_t>(memory.word_bytes());
  const size_t behind = (end + align - 1) / align * align;
  survey.markers_agree = std::ranges::all_of(starts, [&](const auto& start) {
    const size_t at = behind + start.first * sizeof(uint32_t);
    return names.Covers(at, sizeof(uint32_t)) &&
           Load<uint32_t>(names.bytes.data() + at, memory.endian()) == start.second;
  });
  return survey;
}

// The survey of the length code that fits better.
Survey SurveyNames(const space::PartialRead& names, uint64_t num_syms,
                   std::span<const uint32_t> markers, const Tokens& tokens,
                   const VirtReader& memory) {
  Survey survey = SurveyNames(names, LengthCode::kOneOrTwoBytes, num_syms, markers, tokens, memory);
  if (survey.markers_agree) return survey;
  Survey old = SurveyNames(names, LengthCode::kOneByte, num_syms, markers, tokens, memory);
  const bool better = old.markers_agree || (survey.anchors.empty() && !old.anchors.empty());
  return better ? old : survey;
}

// How an address is kept; in the order in which they are tried.
enum class AddressCode {
  kAbsolutePercpu,  // CONFIG_KALLSYMS_ABSOLUTE_PERCPU, 4.6-6.14: offset < 0 ? base - 1 - offset :
                    // offset
  kBaseRelative,    // CONFIG_KALLSYMS_BASE_RELATIVE, 4.6+: base + (u32)offset
  kPlaceRelative,   // 7.0+ (a081b5789255): address of the entry + (s32)offset
  kAddresses,       // unsigned long kallsyms_addresses[], up to 6.10
};

// kallsyms_offsets or kallsyms_addresses, what can be read of them.
class Addresses {
 public:
  Addresses(const VirtReader& memory, VirtAddr start, bool is_offsets, uint64_t count)
      : start_(start),
        entry_bytes_(is_offsets ? sizeof(uint32_t) : static_cast<size_t>(memory.word_bytes())),
        endian_(memory.endian()),
        address_mask_(memory.word_bytes() == 4 ? UINT32_MAX : UINT64_MAX),
        read_(space::ReadWithHoles(memory, start, count * entry_bytes_)) {}

  bool Has(uint64_t i) const { return read_.Covers(i * entry_bytes_, entry_bytes_); }
  // Why some are not there.
  const std::optional<Error>& error() const { return read_.error; }

  VirtAddr At(uint64_t i, AddressCode code, uint64_t relative_base) const {
    const std::byte* entry = read_.bytes.data() + i * entry_bytes_;
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
  space::PartialRead read_;
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
      if (addresses.Has(i) && addresses.At(i, code, relative_base) == stext) return code;
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
  space::PartialRead names =
      space::ReadWithHoles(memory, names_at, std::min(names_bytes, kMaxNamesBytes));
  std::vector<uint32_t> markers;
  if (!names.holes.empty() && names_at + names.bytes.size() == token_table_at) {
    markers = LocateMarkers(names, num_syms, memory);
  }
  Survey survey = SurveyNames(names, num_syms, markers, tokens, memory);
  if (!markers.empty() && !survey.markers_agree) {
    markers.clear();  // not where they were looked for
    survey = SurveyNames(names, num_syms, markers, tokens, memory);
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
    if (survey.anchors.empty() && names.error) {
      return std::unexpected(names.error->Within("kallsyms_names"));
    }
    if (addresses.error() &&
        std::ranges::none_of(survey.anchors, [&](uint64_t i) { return addresses.Has(i); })) {
      return std::unexpected(addresses.error()->Within("kallsyms: addresses"));
    }
    return Fail(ErrorCode::kCorrupt,
                fmt::format("kallsyms: {} of {} names read, {} of them _stext, none at {:#x} in "
                            "any layout",
                            survey.symbols, num_syms, survey.anchors.size(), stext.value));
  }
  if (survey.symbols == num_syms && !survey.markers_agree) {
    findings.Add(Severity::kInfo, "symbols.kallsyms.markers", "",
                 "kallsyms_markers do not agree with the names; _stext decided the layout alone");
  }
  // Modules bring symbols of their own: without room for them the table would be copied to twice
  // its size, in a capture kernel that has no such memory. What of the room is not used is never
  // touched.
  table.Reserve(survey.symbols + survey.symbols / kModuleShare);
  uint64_t decoded_bytes = 0, with_address = 0;
  Unpacker unpack(tokens);
  Status status;
  ForEachName(names, survey.code, num_syms, markers,
              [&](uint64_t i, size_t at, std::span<const std::byte> packed) {
                if (!addresses.Has(i)) return true;
                ++with_address;
                const std::string_view text = unpack(packed);
                decoded_bytes += text.size();
                if (decoded_bytes > kMaxNamesBytes) {
                  status = Fail(ErrorCode::kLimit,
                                fmt::format("kallsyms: names of more than {} bytes at symbol {}",
                                            kMaxNamesBytes, i));
                } else if (text.size() < 2) {
                  findings.Add(Severity::kLoss, "symbols.kallsyms.empty",
                               fmt::format("symbol {}", i), "a symbol without a name was skipped");
                } else {
                  table.AddStored(static_cast<uint32_t>(at), text.substr(1),
                                  addresses.At(i, *code, relative_base), text[0]);
                }
                return status.has_value();
              });
  const std::optional<Error> why = names.error ? names.error : addresses.error();
  table.SetStore(std::make_unique<PackedNames>(std::move(names), survey.code, std::move(tokens)));
  HMEM_TRY(status);
  if (with_address < num_syms) {
    findings.Add(Severity::kLoss, "symbols.kallsyms.cut",
                 fmt::format("{} of {} symbols{}", with_address, num_syms,
                             why ? ": " + why->ToString() : ""),
                 "parts of kallsyms cannot be read; the symbols in them are missing");
  }
  return {};
}

}  // namespace hmem::symbols
