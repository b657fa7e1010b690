// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/types/btf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <span>

#include "hmem/base/address.h"

namespace hmem::types {
namespace {

constexpr uint16_t kMagic = 0xeb9f;
constexpr uint8_t kVersion = 1;
constexpr uint32_t kMinHeaderBytes = 24;
constexpr uint64_t kMaxBytes = 64 << 20;
constexpr size_t kMaxTypes = 4 << 20;
constexpr size_t kTypeBytes = 12;       // struct btf_type
constexpr int kMaxChain = 64;           // typedefs, qualifiers and arrays in a row
constexpr size_t kMaxNameBytes = 4096;  // the kernel allows 512; hostile ones end here

// BTF_KIND_*
enum : uint32_t {
  kBtfInt = 1,
  kBtfPtr,
  kBtfArray,
  kBtfStruct,
  kBtfUnion,
  kBtfEnum,
  kBtfFwd,
  kBtfTypedef,
  kBtfVolatile,
  kBtfConst,
  kBtfRestrict,
  kBtfFunc,
  kBtfFuncProto,
  kBtfVar,
  kBtfDatasec,
  kBtfFloat,
  kBtfDeclTag,
  kBtfTypeTag,
  kBtfEnum64,
  kBtfKinds,
};

// Bytes behind struct btf_type: fixed, and for each of vlen.
struct Trailer {
  uint8_t fixed;
  uint8_t each;
};
constexpr std::array<Trailer, kBtfKinds> kTrailers = [] {
  std::array<Trailer, kBtfKinds> t{};
  t[kBtfInt] = {4, 0};
  t[kBtfArray] = {12, 0};
  t[kBtfStruct] = {0, 12};
  t[kBtfUnion] = {0, 12};
  t[kBtfEnum] = {0, 8};
  t[kBtfFuncProto] = {0, 8};
  t[kBtfVar] = {4, 0};
  t[kBtfDatasec] = {0, 12};
  t[kBtfDeclTag] = {4, 0};
  t[kBtfEnum64] = {0, 12};
  return t;
}();

constexpr std::array<Kind, kBtfKinds> kKinds = {
    Kind::kVoid,      Kind::kInt,       Kind::kPointer,  Kind::kArray,     Kind::kStruct,
    Kind::kUnion,     Kind::kEnum,      Kind::kForward,  Kind::kTypedef,   Kind::kQualifier,
    Kind::kQualifier, Kind::kQualifier, Kind::kFunction, Kind::kFunction,  Kind::kOther,
    Kind::kOther,     Kind::kFloat,     Kind::kOther,    Kind::kQualifier, Kind::kEnum,
};

bool IsNamedType(uint32_t kind) {
  switch (kind) {
    case kBtfInt:
    case kBtfStruct:
    case kBtfUnion:
    case kBtfEnum:
    case kBtfTypedef:
    case kBtfFloat:
    case kBtfEnum64:
      return true;
    default:
      return false;
  }
}

// Which of several types of one name is meant by the bare name; higher wins.
int Preference(Kind kind) {
  switch (kind) {
    case Kind::kStruct:
    case Kind::kUnion:
      return 3;
    case Kind::kTypedef:
      return 1;
    default:
      return 2;
  }
}

// Splits "struct x" into kind and name.
std::optional<Kind> TakeKeyword(std::string_view* name) {
  constexpr std::pair<std::string_view, Kind> kKeywords[] = {
      {"struct ", Kind::kStruct}, {"union ", Kind::kUnion}, {"enum ", Kind::kEnum}};
  for (const auto& [keyword, kind] : kKeywords) {
    if (!name->starts_with(keyword)) continue;
    name->remove_prefix(keyword.size());
    return kind;
  }
  return std::nullopt;
}

// The integer to read for a bit field of `bits` bits at bit `at` of a structure, whose declared
// type has unit_bytes. Big-endian BTF counts bits from the most significant one.
Result<Field> PlaceBitField(uint64_t at, uint32_t bits, uint64_t unit_bytes, Endian endian) {
  auto fits = [&](uint64_t bytes) {
    return bytes != 0 && bytes <= 8 && std::has_single_bit(bytes) &&
           at % (bytes * 8) + bits <= bytes * 8;
  };
  Field field{.bit_size = bits};
  uint64_t start = 0;  // bit where the integer begins
  if (fits(unit_bytes)) {
    field.size_bytes = unit_bytes;
    start = at - at % (unit_bytes * 8);
  } else {
    // Packed: the smallest integer from the first byte on.
    start = at - at % 8;
    field.size_bytes = std::bit_ceil((at % 8 + bits + 7) / 8);
    if (field.size_bytes > 8) {
      return Fail(ErrorCode::kCorrupt, fmt::format("bit field of {} bits at bit {}", bits, at));
    }
  }
  field.offset_bytes = start / 8;
  const auto into = static_cast<uint32_t>(at - start);
  field.bit_offset =
      endian == Endian::kLittle ? into : static_cast<uint32_t>(field.size_bytes * 8) - into - bits;
  return field;
}

}  // namespace

struct Btf::Record {
  const Btf* owner;
  uint32_t kind;
  uint32_t vlen;
  bool kflag;
  uint32_t name;
  uint32_t size_or_type;
  std::span<const std::byte> trailer;

  uint32_t Word(size_t index) const {
    return Load<uint32_t>(trailer.data() + index * sizeof(uint32_t), owner->endian_);
  }
};

Result<std::unique_ptr<Btf>> Btf::Parse(std::vector<std::byte> bytes, int word_bytes,
                                        const Btf* base) {
  auto owned = std::make_unique<const std::vector<std::byte>>(std::move(bytes));
  std::span<const std::byte> all(*owned);
  return ParseRead({.bytes = all, .holes = {}, .error = {}, .owned = std::move(owned)}, word_bytes,
                   base);
}

Result<std::unique_ptr<Btf>> Btf::ParseRead(space::PartialRead read, int word_bytes,
                                            const Btf* base) {
  if (word_bytes != 4 && word_bytes != 8) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("BTF: words of {} bytes", word_bytes));
  }
  if (read.bytes.size() > kMaxBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("BTF: {} bytes", read.bytes.size()));
  }
  if (base != nullptr && base->cut_) {
    return std::unexpected(
        base->read_.error->Within("BTF: the ids of a module's types go on from the kernel's last"));
  }
  std::unique_ptr<Btf> btf(new Btf);
  btf->word_bytes_ = word_bytes;
  btf->base_ = base;
  btf->read_ = std::move(read);
  const std::span<const std::byte> bytes = btf->read_.bytes;

  if (bytes.size() < kMinHeaderBytes) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("BTF: {} bytes are less than a header", bytes.size()));
  }
  if (!btf->read_.Covers(0, kMinHeaderBytes)) {
    return std::unexpected(btf->read_.error->Within("BTF header"));
  }
  const auto magic = Load<uint16_t>(bytes.data(), Endian::kLittle);
  if (magic != kMagic && magic != SwapBytes(kMagic)) {
    return Fail(ErrorCode::kCorrupt, fmt::format("BTF: offset 0x0: magic {:#06x}", magic));
  }
  btf->endian_ = magic == kMagic ? Endian::kLittle : Endian::kBig;
  if (base != nullptr && base->endian_ != btf->endian_) {
    return Fail(ErrorCode::kCorrupt, "BTF: offset 0x0: not the byte order of the base");
  }

  ByteReader header(bytes, btf->endian_, "BTF header");
  HMEM_TRY(header.Skip(sizeof(uint16_t)));
  HMEM_ASSIGN(uint8_t version, header.U8());
  if (version != kVersion) {
    return Fail(ErrorCode::kUnsupported, fmt::format("BTF: version {}", version));
  }
  HMEM_TRY(header.Skip(sizeof(uint8_t)));  // flags
  HMEM_ASSIGN(uint64_t header_bytes, header.U32());
  HMEM_ASSIGN(uint64_t type_offset, header.U32());
  HMEM_ASSIGN(uint64_t type_bytes, header.U32());
  HMEM_ASSIGN(uint64_t string_offset, header.U32());
  HMEM_ASSIGN(uint64_t string_bytes, header.U32());
  const uint64_t total = bytes.size();
  if (header_bytes < kMinHeaderBytes || header_bytes > total) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("BTF: offset 0x4: header of {} bytes", header_bytes));
  }
  // Sums of 32-bit numbers: no overflow in 64 bits.
  if (header_bytes + type_offset + type_bytes > total) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("BTF: offset 0x8: types {:#x}+{:#x} end behind the {:#x} bytes",
                            type_offset, type_bytes, total));
  }
  if (header_bytes + string_offset + string_bytes > total) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("BTF: offset 0x10: strings {:#x}+{:#x} end behind the {:#x} bytes",
                            string_offset, string_bytes, total));
  }
  btf->types_start_ = header_bytes + type_offset;
  btf->types_bytes_ = type_bytes;
  btf->strings_start_ = header_bytes + string_offset;
  btf->strings_bytes_ = string_bytes;
  // A split BTF may have no strings of its own.
  if (string_bytes == 0 ? base == nullptr
                        : bytes[btf->strings_start_ + string_bytes - 1] != std::byte{0}) {
    return Fail(ErrorCode::kCorrupt, fmt::format("BTF: offset {:#x}: strings do not end with NUL",
                                                 btf->strings_start_ + string_bytes));
  }
  if (base != nullptr) {
    btf->first_id_ = base->end_id();
    btf->first_string_ = base->first_string_ + static_cast<uint32_t>(base->strings_bytes_);
  }
  HMEM_TRY(btf->IndexTypes());
  return btf;
}

Status Btf::IndexTypes() {
  const std::byte* start = read_.bytes.data() + types_start_;
  uint64_t at = 0;
  while (at < types_bytes_) {
    auto place = [&] {
      return fmt::format("BTF: offset {:#x}: type {}", types_start_ + at, end_id());
    };
    if (types_bytes_ - at < kTypeBytes) return Fail(ErrorCode::kCorrupt, place() + " is cut");
    if (!read_.Covers(types_start_ + at, kTypeBytes)) {
      cut_ = true;
      return {};
    }
    const auto name = Load<uint32_t>(start + at, endian_);
    const auto info = Load<uint32_t>(start + at + 4, endian_);
    const uint32_t kind = (info >> 24) & 0x1f;
    const uint64_t vlen = info & 0xffff;
    if (kind == 0 || kind >= kBtfKinds) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{} is of unknown kind {}", place(), kind));
    }
    const uint64_t bytes = kTypeBytes + kTrailers[kind].fixed + kTrailers[kind].each * vlen;
    if (types_bytes_ - at < bytes) return Fail(ErrorCode::kCorrupt, place() + " is cut");
    if (!read_.Covers(types_start_ + at, bytes)) {
      cut_ = true;
      return {};
    }
    if (name >= first_string_ + strings_bytes_ && name != 0) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: name at {:#x}, outside the strings", place(), name));
    }
    if (first_id_ + offsets_.size() >= kMaxTypes) {
      return Fail(ErrorCode::kLimit, fmt::format("BTF: more than {} types", kMaxTypes));
    }
    if (IsNamedType(kind) && name != 0) {
      const std::string_view text = Name(name);
      if (!text.empty()) by_name_.emplace(text, end_id());
    }
    if (kind == kBtfEnum || kind == kBtfEnum64) enums_.push_back(end_id());
    offsets_.push_back(static_cast<uint32_t>(at));
    at += bytes;
  }
  return {};
}

Result<std::unique_ptr<Btf>> Btf::FromKernel(const VirtReader& memory,
                                             const symbols::SymbolTable& symbols,
                                             Findings& findings) {
  auto start = symbols.Find("__start_BTF", "");
  auto stop = symbols.Find("__stop_BTF", "");
  if (!start || !stop) {
    return Fail(ErrorCode::kMissingDebugInfo,
                "no symbols __start_BTF and __stop_BTF: a kernel without CONFIG_DEBUG_INFO_BTF");
  }
  if (stop->address <= start->address || stop->address - start->address > kMaxBytes) {
    return Fail(ErrorCode::kCorrupt, fmt::format("BTF from virt {:#x} to {:#x}",
                                                 start->address.value, stop->address.value));
  }
  HMEM_ASSIGN(
      std::unique_ptr<Btf> btf,
      ParseRead(space::ReadWithHoles(memory, start->address, stop->address - start->address),
                memory.word_bytes(), nullptr));
  if (!btf->read_.holes.empty()) {
    findings.Add(Severity::kLoss, "types.btf.holes",
                 fmt::format("{} types{}: {}", btf->type_count(), btf->cut_ ? " before a hole" : "",
                             btf->read_.error->ToString()),
                 "parts of the kernel's BTF cannot be read; types in or behind them and names in "
                 "them are unknown");
  }
  return btf;
}

Btf::Record Btf::Own(TypeId id) const {
  const uint64_t at = types_start_ + offsets_[id - first_id_];
  const std::byte* p = read_.bytes.data() + at;
  const auto info = Load<uint32_t>(p + 4, endian_);
  Record record{.owner = this,
                .kind = (info >> 24) & 0x1f,
                .vlen = info & 0xffff,
                .kflag = (info >> 31) != 0,
                .name = Load<uint32_t>(p, endian_),
                .size_or_type = Load<uint32_t>(p + 8, endian_),
                .trailer = {}};
  const Trailer& trailer = kTrailers[record.kind];
  record.trailer =
      read_.bytes.subspan(at + kTypeBytes, trailer.fixed + size_t{trailer.each} * record.vlen);
  return record;
}

Result<Btf::Record> Btf::Any(TypeId id) const {
  const Btf* owner = this;
  while (owner != nullptr && id < owner->first_id_) owner = owner->base_;
  if (owner != nullptr && owner->cut_ && id >= owner->end_id()) {
    return std::unexpected(owner->read_.error->Within(fmt::format("BTF: type {}", id)));
  }
  if (owner == nullptr || id == 0 || id >= owner->end_id()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("BTF: no type {}", id));
  }
  return owner->Own(id);
}

std::string_view Btf::Name(uint32_t string_offset) const {
  const Btf* owner = this;
  while (owner->base_ != nullptr && string_offset < owner->first_string_) owner = owner->base_;
  const uint64_t at = string_offset - owner->first_string_;
  if (at >= owner->strings_bytes_) return {};
  const uint64_t start = owner->strings_start_ + at;
  const auto* text = reinterpret_cast<const char*>(owner->read_.bytes.data() + start);
  const size_t length = strnlen(text, std::min(kMaxNameBytes, owner->strings_bytes_ - at));
  // A name that runs into a hole is none, rather than another's.
  if (!owner->read_.holes.empty() && owner->read_.ReadableTo(start) <= start + length) return {};
  return {text, length};
}

Result<TypeId> Btf::Find(std::string_view name) const {
  const std::string_view whole = name;
  const std::optional<Kind> wanted = TakeKeyword(&name);
  for (const Btf* btf = this; btf != nullptr; btf = btf->base_) {
    TypeId best = 0;
    std::pair<bool, int> best_rank;  // has a size; preference of its kind
    auto [begin, end] = btf->by_name_.equal_range(name);
    for (auto it = begin; it != end; ++it) {
      const Record record = btf->Own(it->second);
      const Kind kind = kKinds[record.kind];
      if (wanted && kind != *wanted) continue;
      std::pair<bool, int> rank{kind == Kind::kTypedef || record.size_or_type != 0,
                                Preference(kind)};
      // The hash table keeps no order: of equal ones the lowest id.
      if (best == 0 || rank > best_rank || (rank == best_rank && it->second < best)) {
        best = it->second;
        best_rank = rank;
      }
    }
    if (best != 0) return best;
  }
  return Fail(ErrorCode::kMissingDebugInfo,
              fmt::format("BTF: no type \"{}\"{}", whole,
                          read_.holes.empty() ? "" : " in what can be read of it"));
}

Result<uint64_t> Btf::SizeOfId(TypeId id) const {
  uint64_t count = 1;
  const TypeId first = id;
  for (int i = 0; i < kMaxChain; ++i) {
    if (id == 0) return 0;
    HMEM_ASSIGN(Record record, Any(id));
    uint64_t size = 0;
    switch (record.kind) {
      case kBtfArray:
        if (!CheckedMul(count, record.Word(2), &count)) {
          return Fail(ErrorCode::kCorrupt, fmt::format("BTF: type {}: array too large", first));
        }
        id = record.Word(0);
        continue;
      case kBtfTypedef:
      case kBtfVolatile:
      case kBtfConst:
      case kBtfRestrict:
      case kBtfTypeTag:
      case kBtfVar:
        id = record.size_or_type;
        continue;
      case kBtfPtr:
        size = static_cast<uint64_t>(word_bytes_);
        break;
      case kBtfFwd:
      case kBtfFunc:
      case kBtfFuncProto:
      case kBtfDeclTag:
        return 0;
      default:
        size = record.size_or_type;
        break;
    }
    uint64_t bytes = 0;
    if (!CheckedMul(count, size, &bytes)) {
      return Fail(ErrorCode::kCorrupt, fmt::format("BTF: type {}: array too large", first));
    }
    return bytes;
  }
  return Fail(ErrorCode::kCorrupt, fmt::format("BTF: type {}: types in a circle", first));
}

Result<MemberInfo> Btf::DescribeMember(const Record& record, size_t index) const {
  const uint32_t name = record.Word(index * 3);
  const TypeId type = record.Word(index * 3 + 1);
  const uint32_t offset = record.Word(index * 3 + 2);
  uint64_t bit = record.kflag ? offset & 0xffffff : offset;
  uint32_t bits = record.kflag ? offset >> 24 : 0;
  MemberInfo member{.name = std::string(record.owner->Name(name)), .field = {}};
  HMEM_ASSIGN(uint64_t size, SizeOfId(type));

  if (!record.kflag) {
    // Before kflag (5.0) a bit field pointed at an int narrower than its bytes.
    TypeId id = type;
    for (int i = 0; i < kMaxChain && id != 0; ++i) {
      HMEM_ASSIGN(Record target, Any(id));
      if (kKinds[target.kind] == Kind::kTypedef || kKinds[target.kind] == Kind::kQualifier) {
        id = target.size_or_type;
        continue;
      }
      if (target.kind == kBtfInt) {
        const uint32_t encoding = target.Word(0);
        const uint32_t int_bits = encoding & 0xff;
        if (int_bits != 0 && int_bits < uint64_t{target.size_or_type} * 8) {
          bits = int_bits;
          bit += (encoding >> 16) & 0xff;
        }
      }
      break;
    }
  }
  if (bits != 0) {
    HMEM_ASSIGN(member.field, Within(member.name, PlaceBitField(bit, bits, size, endian_)));
  } else {
    member.field.offset_bytes = bit / 8;
    member.field.size_bytes = size;
  }
  member.field.type = type;
  return member;
}

void Btf::AppendEnumerators(const Record& record, TypeInfo* info) const {
  const bool wide = record.kind == kBtfEnum64;
  const size_t words = wide ? 3 : 2;
  for (uint32_t i = 0; i < record.vlen; ++i) {
    const uint32_t low = record.Word(i * words + 1);
    int64_t value = 0;
    if (wide) {
      value = static_cast<int64_t>(uint64_t{record.Word(i * words + 2)} << 32 | low);
    } else {
      value = record.kflag ? int64_t{static_cast<int32_t>(low)} : int64_t{low};
    }
    info->values.emplace_back(record.owner->Name(record.Word(i * words)), value);
  }
}

Result<TypeInfo> Btf::Describe(TypeId id) const {
  TypeInfo info;
  if (id == 0) return info;
  HMEM_ASSIGN(Record record, Any(id));
  info.kind = kKinds[record.kind];
  info.name = record.owner->Name(record.name);
  HMEM_ASSIGN(info.size_bytes, SizeOfId(id));
  switch (record.kind) {
    case kBtfInt:
      info.is_signed = (record.Word(0) >> 24 & 1) != 0;
      break;
    case kBtfArray:
      info.target = record.Word(0);
      info.count = record.Word(2);
      break;
    case kBtfStruct:
    case kBtfUnion:
      info.members.reserve(record.vlen);
      for (uint32_t i = 0; i < record.vlen; ++i) {
        HMEM_ASSIGN(MemberInfo member, Within(info.name, DescribeMember(record, i)));
        info.members.push_back(std::move(member));
      }
      break;
    case kBtfEnum:
    case kBtfEnum64:
      info.is_signed = record.kflag;
      AppendEnumerators(record, &info);
      break;
    case kBtfVolatile:
      info.name = "volatile";
      info.target = record.size_or_type;
      break;
    case kBtfConst:
      info.name = "const";
      info.target = record.size_or_type;
      break;
    case kBtfRestrict:
      info.name = "restrict";
      info.target = record.size_or_type;
      break;
    case kBtfTypeTag:
      info.name.clear();  // "rcu", "user": not C
      info.target = record.size_or_type;
      break;
    case kBtfFwd:
      info.is_union = record.kflag;
      break;
    case kBtfPtr:
    case kBtfTypedef:
    case kBtfFunc:
    case kBtfFuncProto:
    case kBtfVar:
    case kBtfDeclTag:
      info.target = record.size_or_type;
      break;
    default:
      break;
  }
  return info;
}

Result<int64_t> Btf::Enumerator(std::string_view name) const {
  auto it = enumerators_.find(name);
  if (it == enumerators_.end()) {
    it = enumerators_.emplace(std::string(name), FindEnumerator(name)).first;
  }
  return it->second;
}

Result<int64_t> Btf::FindEnumerator(std::string_view name) const {
  for (const Btf* btf = this; btf != nullptr; btf = btf->base_) {
    for (TypeId id : btf->enums_) {
      const Record record = btf->Own(id);
      const size_t words = record.kind == kBtfEnum64 ? 3 : 2;
      for (uint32_t i = 0; i < record.vlen; ++i) {
        if (btf->Name(record.Word(i * words)) != name) continue;
        TypeInfo info;
        AppendEnumerators(record, &info);
        return info.values[i].second;
      }
    }
  }
  return Fail(ErrorCode::kMissingDebugInfo, fmt::format("BTF: no enumerator \"{}\"", name));
}

}  // namespace hmem::types
