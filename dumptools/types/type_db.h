// SPDX-License-Identifier: GPL-2.0-or-later
// What the bytes mean: structures and members by name, whatever the types come from (BTF now, DWARF
// later).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::types {

using TypeId = uint32_t;  // 0 is void

enum class Kind {
  kVoid,
  kInt,
  kPointer,
  kArray,
  kStruct,
  kUnion,
  kEnum,
  kForward,
  kTypedef,
  kQualifier,
  kFunction,
  kFloat,
  kOther
};

struct Field {
  uint64_t offset_bytes = 0;  // from the start of the outermost structure
  uint32_t bit_offset = 0;    // of a bit field: how far to shift right the integer of size_bytes
  uint32_t bit_size = 0;      // 0 unless a bit field
  uint64_t size_bytes = 0;    // of a bit field: 1, 2, 4 or 8, the integer at offset_bytes to read
  TypeId type = 0;            // qualifiers and typedefs not stripped

  // The value of this field, given the integer of size_bytes read at offset_bytes (zero-extended,
  // in the target's byte order). Not a bit field: `raw` itself.
  uint64_t Extract(uint64_t raw) const {
    if (bit_size == 0) return raw;
    raw >>= bit_offset;
    return bit_size >= 64 ? raw : raw & ((uint64_t{1} << bit_size) - 1);
  }
};

struct MemberInfo {
  std::string name;  // empty: anonymous structure or union
  Field field;
};

struct TypeInfo {
  Kind kind = Kind::kVoid;
  std::string name;
  uint64_t size_bytes = 0;          // 0: void, function, forward
  bool is_signed = false;           // kInt, kEnum
  bool is_union = false;            // kForward
  TypeId target = 0;                // pointer, array element, typedef, qualifier
  uint64_t count = 0;               // array elements
  std::vector<MemberInfo> members;  // kStruct, kUnion
  std::vector<std::pair<std::string, int64_t>> values;  // kEnum
};

// Not safe from several threads: Member remembers its answers.
class TypeDb {
 public:
  virtual ~TypeDb() = default;

  // "task_struct", or "struct task_struct", "union x", "enum x", or a typedef name.
  // kMissingDebugInfo: no such type. Of several of one name the one with a size wins.
  virtual Result<TypeId> Find(std::string_view name) const = 0;
  virtual Result<TypeInfo> Describe(TypeId id) const = 0;

  // Strips typedefs and qualifiers. kCorrupt: a cycle.
  Result<TypeInfo> Resolve(TypeId id) const;
  Result<uint64_t> SizeOf(std::string_view type_name) const;
  // A dotted path through members, anonymous structures looked into: Member("task_struct",
  // "thread.sp"), Member("module", "mem[0].base"). kMissingDebugInfo names the structure and the
  // part that is missing; kInvalidArgument: the path is no path, or an index is past its array.
  Result<Field> Member(std::string_view type_name, std::string_view path) const;
  Result<Field> Member(TypeId type, std::string_view path) const;
  // Whether the path exists: how kernel differences are told apart.
  bool Has(std::string_view type_name, std::string_view path) const;
  // An enumerator of any enum: Enumerator("MOD_TEXT"). kMissingDebugInfo.
  virtual Result<int64_t> Enumerator(std::string_view name) const = 0;
  // "struct list_head *", "char[16]": for people. Damage shows as "?".
  std::string NameOf(TypeId id) const;

 private:
  // By "type\0path"; walkers ask for the same few hundred members for every object they read.
  mutable std::map<std::string, Result<Field>, std::less<>> members_;
};

}  // namespace hmem::types
