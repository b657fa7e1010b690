// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/btf_maker.h"

#include <array>

namespace hmem::makers {
namespace {

constexpr uint32_t Info(uint32_t kind, size_t vlen = 0, bool kflag = false) {
  return kind << 24 | static_cast<uint32_t>(vlen) | (kflag ? 1u << 31 : 0);
}

}  // namespace

BtfMaker BtfMaker::SplitFrom(const BtfMaker& base) {
  BtfMaker split(base.endian_);
  split.next_id_ = base.next_id_;
  split.base_strings_ = base.base_strings_ + static_cast<uint32_t>(base.strings_.size());
  return split;
}

void BtfMaker::Word(uint32_t value) {
  std::array<std::byte, sizeof value> bytes;
  Store(bytes.data(), value, endian_);
  types_.insert(types_.end(), bytes.begin(), bytes.end());
}

uint32_t BtfMaker::Name(std::string_view name) {
  if (name.empty()) return 0;
  const auto offset = base_strings_ + static_cast<uint32_t>(strings_.size());
  strings_.append(name).push_back('\0');
  return offset;
}

uint32_t BtfMaker::Raw(uint32_t name_offset, uint32_t info, uint32_t size_or_type,
                       const std::vector<uint32_t>& words) {
  Word(name_offset);
  Word(info);
  Word(size_or_type);
  for (uint32_t word : words) Word(word);
  return next_id_++;
}

uint32_t BtfMaker::Int(std::string_view name, uint32_t size_bytes, bool is_signed, uint32_t bits,
                       uint32_t bit_offset) {
  const uint32_t encoding =
      (is_signed ? 1u << 24 : 0) | bit_offset << 16 | (bits != 0 ? bits : size_bytes * 8);
  return Raw(Name(name), Info(1), size_bytes, {encoding});
}

uint32_t BtfMaker::Pointer(uint32_t target) { return Raw(0, Info(2), target); }

uint32_t BtfMaker::Array(uint32_t element, uint32_t count) {
  return Raw(0, Info(3), 0, {element, 1, count});
}

uint32_t BtfMaker::Aggregate(uint32_t kind, std::string_view name, uint32_t size_bytes,
                             const std::vector<Member>& members, bool kflag) {
  std::vector<uint32_t> words;
  for (const Member& member : members) {
    words.push_back(Name(member.name));
    words.push_back(member.type);
    words.push_back(member.bit_offset | (kflag ? member.bits << 24 : 0));
  }
  return Raw(Name(name), Info(kind, members.size(), kflag), size_bytes, words);
}

uint32_t BtfMaker::Struct(std::string_view name, uint32_t size_bytes,
                          const std::vector<Member>& members, bool kflag) {
  return Aggregate(4, name, size_bytes, members, kflag);
}

uint32_t BtfMaker::Union(std::string_view name, uint32_t size_bytes,
                         const std::vector<Member>& members, bool kflag) {
  return Aggregate(5, name, size_bytes, members, kflag);
}

uint32_t BtfMaker::Enum(std::string_view name,
                        const std::vector<std::pair<std::string_view, int32_t>>& values,
                        bool is_signed) {
  std::vector<uint32_t> words;
  for (const auto& [label, value] : values) {
    words.push_back(Name(label));
    words.push_back(static_cast<uint32_t>(value));
  }
  return Raw(Name(name), Info(6, values.size(), is_signed), 4, words);
}

uint32_t BtfMaker::Enum64(std::string_view name,
                          const std::vector<std::pair<std::string_view, int64_t>>& values,
                          bool is_signed) {
  std::vector<uint32_t> words;
  for (const auto& [label, value] : values) {
    words.push_back(Name(label));
    words.push_back(static_cast<uint32_t>(value));
    words.push_back(static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32));
  }
  return Raw(Name(name), Info(19, values.size(), is_signed), 8, words);
}

uint32_t BtfMaker::Forward(std::string_view name, bool is_union) {
  return Raw(Name(name), Info(7, 0, is_union), 0);
}

uint32_t BtfMaker::Typedef(std::string_view name, uint32_t target) {
  return Raw(Name(name), Info(8), target);
}

uint32_t BtfMaker::Volatile(uint32_t target) { return Raw(0, Info(9), target); }
uint32_t BtfMaker::Const(uint32_t target) { return Raw(0, Info(10), target); }
uint32_t BtfMaker::Restrict(uint32_t target) { return Raw(0, Info(11), target); }

uint32_t BtfMaker::Func(std::string_view name, uint32_t prototype) {
  return Raw(Name(name), Info(12), prototype);
}

uint32_t BtfMaker::FuncProto(uint32_t returns, const std::vector<Member>& parameters) {
  std::vector<uint32_t> words;
  for (const Member& parameter : parameters) {
    words.push_back(Name(parameter.name));
    words.push_back(parameter.type);
  }
  return Raw(0, Info(13, parameters.size()), returns, words);
}

uint32_t BtfMaker::Var(std::string_view name, uint32_t type) {
  return Raw(Name(name), Info(14), type, {1});
}

uint32_t BtfMaker::Datasec(std::string_view name, uint32_t size_bytes,
                           const std::vector<uint32_t>& vars) {
  std::vector<uint32_t> words;
  for (uint32_t var : vars) words.insert(words.end(), {var, 0, 8});
  return Raw(Name(name), Info(15, vars.size()), size_bytes, words);
}

uint32_t BtfMaker::Float(std::string_view name, uint32_t size_bytes) {
  return Raw(Name(name), Info(16), size_bytes);
}

uint32_t BtfMaker::DeclTag(std::string_view name, uint32_t target) {
  return Raw(Name(name), Info(17), target, {0});
}

uint32_t BtfMaker::TypeTag(std::string_view name, uint32_t target) {
  return Raw(Name(name), Info(18), target);
}

std::vector<std::byte> BtfMaker::Make() const {
  constexpr uint32_t kHeaderBytes = 24;
  std::vector<std::byte> bytes(kHeaderBytes);
  Store<uint16_t>(bytes.data(), 0xeb9f, endian_);
  bytes[2] = std::byte{1};
  Store<uint32_t>(bytes.data() + 4, kHeaderBytes, endian_);
  Store<uint32_t>(bytes.data() + 8, 0, endian_);
  Store<uint32_t>(bytes.data() + 12, static_cast<uint32_t>(types_.size()), endian_);
  Store<uint32_t>(bytes.data() + 16, static_cast<uint32_t>(types_.size()), endian_);
  Store<uint32_t>(bytes.data() + 20, static_cast<uint32_t>(strings_.size()), endian_);
  bytes.insert(bytes.end(), types_.begin(), types_.end());
  for (char c : strings_) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

}  // namespace hmem::makers
