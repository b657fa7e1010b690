// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/types/type_db.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "hmem/base/address.h"

namespace hmem::types {
namespace {

constexpr int kMaxChain = 64;                // typedefs and qualifiers in a row
constexpr int kMaxAnonymousDepth = 16;       // anonymous structures in one another
constexpr size_t kMaxMembersSeen = 1 << 18;  // in the search for one member
constexpr int kMaxNameDepth = 32;

bool IsAggregate(Kind kind) { return kind == Kind::kStruct || kind == Kind::kUnion; }

// The next part of a path: a name and the indices behind it.
struct PathPart {
  std::string_view name;
  std::vector<uint64_t> indices;
};

Result<PathPart> TakePart(std::string_view* path) {
  const std::string_view whole = *path;
  auto bad = [&] {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no member path", whole));
  };
  PathPart part;
  size_t end = path->find_first_of(".[");
  part.name = path->substr(0, end);
  if (part.name.empty()) return bad();
  path->remove_prefix(part.name.size());
  while (path->starts_with('[')) {
    uint64_t index = 0;
    const char* last = path->data() + path->size();
    auto [stop, error] = std::from_chars(path->data() + 1, last, index);
    if (error != std::errc() || stop == last || *stop != ']') return bad();
    path->remove_prefix(static_cast<size_t>(stop + 1 - path->data()));
    part.indices.push_back(index);
  }
  if (path->starts_with('.')) {
    path->remove_prefix(1);
    if (path->empty()) return bad();
  } else if (!path->empty()) {
    return bad();
  }
  return part;
}

// A member by name, also inside anonymous members. An empty optional: not here.
class MemberSearch {
 public:
  MemberSearch(const TypeDb& types, std::string_view name) : types_(types), name_(name) {}

  Result<std::optional<Field>> In(const TypeInfo& aggregate, int depth = 0) {
    for (const MemberInfo& member : aggregate.members) {
      if (member.name == name_) return member.field;
    }
    seen_ += aggregate.members.size();
    if (depth >= kMaxAnonymousDepth || seen_ > kMaxMembersSeen) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("anonymous structures nest too deep in the search for {}", name_));
    }
    for (const MemberInfo& member : aggregate.members) {
      if (!member.name.empty()) continue;
      HMEM_ASSIGN(TypeInfo inner, types_.Resolve(member.field.type));
      if (!IsAggregate(inner.kind)) continue;
      HMEM_ASSIGN(std::optional<Field> found, In(inner, depth + 1));
      if (!found) continue;
      found->offset_bytes += member.field.offset_bytes;
      return found;
    }
    return std::optional<Field>();
  }

 private:
  const TypeDb& types_;
  std::string_view name_;
  size_t seen_ = 0;
};

// Narrows `field`, an array, to one element.
Status TakeElement(const TypeDb& types, uint64_t index, Field* field) {
  HMEM_ASSIGN(TypeInfo array, types.Resolve(field->type));
  if (array.kind != Kind::kArray) {
    return Fail(ErrorCode::kMissingDebugInfo, fmt::format("[{}]: not an array", index));
  }
  if (array.count != 0 && index >= array.count) {  // 0: a flexible array
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("[{}]: array of {} elements", index, array.count));
  }
  HMEM_ASSIGN(TypeInfo element, types.Describe(array.target));
  uint64_t offset = 0;
  if (!CheckedMul(index, element.size_bytes, &offset) ||
      !CheckedAdd(field->offset_bytes, offset, &field->offset_bytes)) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("[{}]: index too large", index));
  }
  field->type = array.target;
  field->size_bytes = element.size_bytes;
  return {};
}

// C declarator syntax, inside out: `declarator` is what stands where the variable's name would.
std::string Declare(const TypeDb& types, TypeId id, std::string declarator, int depth) {
  auto named = [&](std::string_view name) {
    if (declarator.empty()) return std::string(name);
    return fmt::format("{}{}{}", name, declarator.starts_with('[') ? "" : " ", declarator);
  };
  if (depth > kMaxNameDepth) return named("?");
  Result<TypeInfo> info = types.Describe(id);
  if (!info) return named("?");
  auto tagged = [&](std::string_view keyword) {
    return named(fmt::format("{} {}", keyword, info->name.empty() ? "{...}" : info->name));
  };
  switch (info->kind) {
    case Kind::kVoid:
      return named("void");
    case Kind::kStruct:
      return tagged("struct");
    case Kind::kUnion:
      return tagged("union");
    case Kind::kEnum:
      return tagged("enum");
    case Kind::kForward:
      return tagged(info->is_union ? "union" : "struct");
    case Kind::kPointer: {
      Result<TypeInfo> target = types.Describe(info->target);
      bool binds = target && (target->kind == Kind::kArray || target->kind == Kind::kFunction);
      declarator = binds ? fmt::format("(*{})", declarator) : "*" + declarator;
      return Declare(types, info->target, std::move(declarator), depth + 1);
    }
    case Kind::kArray:
      return Declare(types, info->target, fmt::format("{}[{}]", declarator, info->count),
                     depth + 1);
    case Kind::kFunction:
      // A function's name is not part of its type; the prototype behind it has none.
      if (info->name.empty()) declarator += "()";
      return Declare(types, info->target, std::move(declarator), depth + 1);
    case Kind::kQualifier: {
      if (info->name.empty()) return Declare(types, info->target, std::move(declarator), depth + 1);
      Result<TypeInfo> target = types.Describe(info->target);
      if (target && target->kind == Kind::kPointer) {
        return Declare(types, info->target, fmt::format(" {}{}", info->name, declarator),
                       depth + 1);
      }
      return fmt::format("{} {}", info->name,
                         Declare(types, info->target, std::move(declarator), depth + 1));
    }
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kTypedef:
    case Kind::kOther:
      return named(info->name.empty() ? "?" : info->name);
  }
  return named("?");
}

}  // namespace

Result<TypeInfo> TypeDb::Resolve(TypeId id) const {
  for (int i = 0; i < kMaxChain; ++i) {
    HMEM_ASSIGN(TypeInfo info, Describe(id));
    if (info.kind != Kind::kTypedef && info.kind != Kind::kQualifier) return info;
    id = info.target;
  }
  return Fail(ErrorCode::kCorrupt, fmt::format("type {}: typedefs in a circle", id));
}

Result<uint64_t> TypeDb::SizeOf(std::string_view type_name) const {
  HMEM_ASSIGN(TypeId id, Find(type_name));
  HMEM_ASSIGN(TypeInfo info, Describe(id));
  return info.size_bytes;
}

Result<Field> TypeDb::Member(std::string_view type_name, std::string_view path) const {
  std::string key;
  key.reserve(type_name.size() + 1 + path.size());
  key.append(type_name).append(1, '\0').append(path);
  if (auto it = members_.find(key); it != members_.end()) return it->second;
  auto look = [&]() -> Result<Field> {
    HMEM_ASSIGN(TypeId id, Find(type_name));
    return Within(type_name, Member(id, path));
  };
  return members_.emplace(std::move(key), look()).first->second;
}

Result<Field> TypeDb::Member(TypeId type, std::string_view path) const {
  const std::string_view whole = path;
  Field field{.type = type};
  do {
    HMEM_ASSIGN(PathPart part, TakePart(&path));
    HMEM_ASSIGN(TypeInfo aggregate, Resolve(field.type));
    if (!IsAggregate(aggregate.kind)) {
      return Fail(ErrorCode::kMissingDebugInfo, fmt::format("{}: \"{}\" would be a member of {}",
                                                            whole, part.name, NameOf(field.type)));
    }
    HMEM_ASSIGN(std::optional<Field> found, MemberSearch(*this, part.name).In(aggregate));
    if (!found) {
      return Fail(ErrorCode::kMissingDebugInfo,
                  fmt::format("{}: no member \"{}\" in {}", whole, part.name, NameOf(field.type)));
    }
    found->offset_bytes += field.offset_bytes;
    field = *found;
    for (uint64_t index : part.indices) {
      HMEM_TRY(Within(whole, TakeElement(*this, index, &field)));
    }
  } while (!path.empty());
  return field;
}

bool TypeDb::Has(std::string_view type_name, std::string_view path) const {
  return Member(type_name, path).has_value();
}

std::string TypeDb::NameOf(TypeId id) const { return Declare(*this, id, "", 0); }

}  // namespace hmem::types
