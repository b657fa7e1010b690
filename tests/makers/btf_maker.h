// SPDX-License-Identifier: GPL-2.0-or-later
// BTF blobs out of a few calls. Every call that makes a type returns its id.
//
//   BtfMaker btf;
//   uint32_t u32 = btf.Int("unsigned int", 4);
//   btf.Struct("list_head", 16, {{"next", btf.Pointer(0), 0}, {"prev", btf.Pointer(0), 64}});
//   std::vector<std::byte> bytes = btf.Make();
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hmem/base/endian.h"

namespace hmem::makers {

class BtfMaker {
 public:
  struct Member {
    std::string_view name;
    uint32_t type;
    uint32_t bit_offset;
    uint32_t bits = 0;  // of a bit field; needs a structure with kflag
  };

  explicit BtfMaker(Endian endian = Endian::kLittle) : endian_(endian) {}
  // A module's BTF on top of `base`, whose ids and strings it goes on from.
  static BtfMaker SplitFrom(const BtfMaker& base);

  // bits 0: all of them.
  uint32_t Int(std::string_view name, uint32_t size_bytes, bool is_signed = false,
               uint32_t bits = 0, uint32_t bit_offset = 0);
  uint32_t Pointer(uint32_t target);
  uint32_t Array(uint32_t element, uint32_t count);
  uint32_t Struct(std::string_view name, uint32_t size_bytes, const std::vector<Member>& members,
                  bool kflag = false);
  uint32_t Union(std::string_view name, uint32_t size_bytes, const std::vector<Member>& members,
                 bool kflag = false);
  uint32_t Enum(std::string_view name,
                const std::vector<std::pair<std::string_view, int32_t>>& values,
                bool is_signed = false);
  uint32_t Enum64(std::string_view name,
                  const std::vector<std::pair<std::string_view, int64_t>>& values,
                  bool is_signed = false);
  uint32_t Forward(std::string_view name, bool is_union = false);
  uint32_t Typedef(std::string_view name, uint32_t target);
  uint32_t Volatile(uint32_t target);
  uint32_t Const(uint32_t target);
  uint32_t Restrict(uint32_t target);
  uint32_t FuncProto(uint32_t returns, const std::vector<Member>& parameters = {});
  uint32_t Func(std::string_view name, uint32_t prototype);
  uint32_t Var(std::string_view name, uint32_t type);
  uint32_t Datasec(std::string_view name, uint32_t size_bytes, const std::vector<uint32_t>& vars);
  uint32_t Float(std::string_view name, uint32_t size_bytes);
  uint32_t DeclTag(std::string_view name, uint32_t target);
  uint32_t TypeTag(std::string_view name, uint32_t target);
  // A struct btf_type as given, then the words.
  uint32_t Raw(uint32_t name_offset, uint32_t info, uint32_t size_or_type,
               const std::vector<uint32_t>& words = {});

  // The id that the next type gets.
  uint32_t next_id() const { return next_id_; }
  std::vector<std::byte> Make() const;

 private:
  uint32_t Name(std::string_view name);
  uint32_t Aggregate(uint32_t kind, std::string_view name, uint32_t size_bytes,
                     const std::vector<Member>& members, bool kflag);
  void Word(uint32_t value);

  Endian endian_;
  uint32_t next_id_ = 1;
  uint32_t base_strings_ = 0;
  std::vector<std::byte> types_;
  std::string strings_ = std::string(1, '\0');
};

}  // namespace hmem::makers
