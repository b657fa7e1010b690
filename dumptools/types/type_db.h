// SPDX-License-Identifier: GPL-2.0-or-later
// What the bytes mean: structures and members by name, whatever the types come from (BTF now, DWARF
// later).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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
  uint32_t bit_offset = 0;    // inside that byte, little-endian numbering; 0 unless a bit field
  uint32_t bit_size = 0;      // 0 unless a bit field
  uint64_t size_bytes = 0;
  TypeId type = 0;  // qualifiers and typedefs not stripped
};

struct MemberInfo {
  std::string name;  // empty: anonymous structure or union
  Field field;
};

struct TypeInfo {
  Kind kind = Kind::kVoid;
  std::string name;
  uint64_t size_bytes = 0;
  bool is_signed = false;           // kInt, kEnum
  TypeId target = 0;                // pointer, array element, typedef, qualifier
  uint64_t count = 0;               // array elements
  std::vector<MemberInfo> members;  // kStruct, kUnion
  std::vector<std::pair<std::string, int64_t>> values;  // kEnum
};

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
  // part that is missing.
  Result<Field> Member(std::string_view type_name, std::string_view path) const;
  Result<Field> Member(TypeId type, std::string_view path) const;
  // Whether the path exists: how kernel differences are told apart.
  bool Has(std::string_view type_name, std::string_view path) const;
  // An enumerator of any enum: Enumerator("MOD_TEXT"). kMissingDebugInfo.
  virtual Result<int64_t> Enumerator(std::string_view name) const = 0;
  // "struct list_head *", "char[16]": for people.
  std::string NameOf(TypeId id) const;
};

}  // namespace hmem::types
