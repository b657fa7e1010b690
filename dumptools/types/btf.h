// SPDX-License-Identifier: GPL-2.0-or-later
// BTF (include/uapi/linux/btf.h, Documentation/bpf/btf.rst), base and split. Owns its bytes;
// indexes names once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dumptools/symbols/symbol_table.h"
#include "dumptools/types/type_db.h"
#include "hmem/base/byte_reader.h"
#include "hmem/base/findings.h"
#include "hmem/base/virt_reader.h"
#include "hmem/space/partial_read.h"

namespace hmem::types {

class Btf final : public TypeDb {
 public:
  // `base`: the kernel's BTF when `bytes` is a module's (split BTF: ids and string offsets continue
  // after the base's); must outlive the result. Byte order comes from the magic. `word_bytes` sizes
  // pointers. kCorrupt names the offset. At most 4 Mi types, 64 MiB.
  static Result<std::unique_ptr<Btf>> Parse(std::vector<std::byte> bytes, int word_bytes,
                                            const Btf* base = nullptr);
  // __start_BTF..__stop_BTF of the crashed kernel. Missing pages become a finding: types behind the
  // first missing one are unknown, since only walking over the types before leads to them, and so
  // are names in missing pages. The code of a missing page: the header is in it.
  static Result<std::unique_ptr<Btf>> FromKernel(const VirtReader& memory,
                                                 const symbols::SymbolTable& symbols,
                                                 Findings& findings);

  Result<TypeId> Find(std::string_view name) const override;
  Result<TypeInfo> Describe(TypeId id) const override;
  Result<int64_t> Enumerator(std::string_view name) const override;
  size_t type_count() const { return offsets_.size(); }  // own types, without the base's

 private:
  struct Record;  // one decoded struct btf_type

  Btf() = default;
  static Result<std::unique_ptr<Btf>> ParseRead(space::PartialRead read, int word_bytes,
                                                const Btf* base);
  Status IndexTypes();
  // Types from 1 to here exist (the base's and our own).
  TypeId end_id() const { return first_id_ + static_cast<TypeId>(offsets_.size()); }
  // The record of one of our own types.
  Record Own(TypeId id) const;
  // Of an own or a base type.
  Result<Record> Any(TypeId id) const;
  std::string_view Name(uint32_t string_offset) const;
  Result<uint64_t> SizeOfId(TypeId id) const;
  Result<MemberInfo> DescribeMember(const Record& record, size_t index) const;
  Result<int64_t> FindEnumerator(std::string_view name) const;
  void AppendEnumerators(const Record& record, TypeInfo* info) const;

  const Btf* base_ = nullptr;
  space::PartialRead read_;
  bool cut_ = false;  // there are types behind offsets_, in or behind a hole
  Endian endian_ = Endian::kLittle;
  int word_bytes_ = 8;
  uint64_t types_start_ = 0, types_bytes_ = 0, strings_start_ = 0, strings_bytes_ = 0;
  TypeId first_id_ = 1;
  uint32_t first_string_ = 0;      // string offsets below are the base's
  std::vector<uint32_t> offsets_;  // of type first_id_ + i, from types_start_
  std::vector<TypeId> enums_;
  std::unordered_multimap<std::string_view, TypeId> by_name_;
  // Walkers ask for the same few for every task.
  mutable std::map<std::string, Result<int64_t>, std::less<>> enumerators_;
};

}  // namespace hmem::types
