// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemscope/value_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dumptools/firstfailure/encode.h"

namespace hmem::hmemscope {
namespace {

using types::Kind;
using types::TypeInfo;

constexpr size_t kMaxTextBytes = 4096;

bool IsCharacter(const TypeInfo& type) {
  return type.kind == Kind::kInt && type.size_bytes == 1 && type.name == "char";
}
bool IsWhole(uint64_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

int64_t SignExtend(uint64_t value, uint32_t bits) {
  if (bits == 0 || bits >= 64) return static_cast<int64_t>(value);
  const uint64_t sign = uint64_t{1} << (bits - 1);
  return static_cast<int64_t>((value ^ sign) - sign);
}

class Printer {
 public:
  Printer(const VirtReader& memory, const symbols::SymbolTable& symbols, const types::TypeDb& types,
          const PrintLimits& limits, v1::ValueReport& report, Findings& findings)
      : memory_(memory),
        symbols_(symbols),
        types_(types),
        limits_(limits),
        report_(report),
        findings_(findings) {}

  Status Print(const std::string& path, types::TypeId type, VirtAddr address,
               const types::Field& field, size_t depth) {
    if (Full()) return {};
    HMEM_ASSIGN(TypeInfo info, types_.Resolve(type));
    switch (info.kind) {
      case Kind::kStruct:
      case Kind::kUnion:
        return PrintMembers(path, type, info, address, depth);
      case Kind::kArray:
        return PrintArray(path, type, info, address, depth);
      case Kind::kInt:
      case Kind::kEnum:
      case Kind::kPointer:
        PrintScalar(path, type, info, address, field);
        return {};
      default:
        PrintBytes(path, type, info.size_bytes, address);
        return {};
    }
  }

 private:
  bool Full() {
    if (static_cast<size_t>(report_.lines_size()) < limits_.max_lines) return false;
    findings_.Add(Severity::kInfo, "print.cut", "",
                  fmt::format("only the first {} lines are shown", limits_.max_lines));
    return true;
  }

  void Line(const std::string& path, types::TypeId type, std::string value) {
    v1::ValueLine& line = *report_.add_lines();
    line.set_path(firstfailure::SafeText(path, 1024));
    line.set_type_name(firstfailure::SafeText(types_.NameOf(type), 256));
    line.set_value(std::move(value));
  }

  void Unreadable(const std::string& path, types::TypeId type, const Error& error) {
    findings_.Add(Severity::kLoss, "print.unreadable", path, error.ToString());
    Line(path, type,
         fmt::format("(unreadable: {})", firstfailure::SafeText(error.ToString(), 256)));
  }

  Status PrintMembers(const std::string& path, types::TypeId type, const TypeInfo& info,
                      VirtAddr address, size_t depth) {
    if (depth >= limits_.max_depth) {
      Line(path, type, "{...}");
      findings_.Add(Severity::kInfo, "print.deep", path,
                    "structures nested deeper than the limit are not shown");
      return {};
    }
    for (const types::MemberInfo& member : info.members) {
      if (Full()) break;
      std::string inner = path;
      if (!member.name.empty()) inner += path.empty() ? member.name : "." + member.name;
      HMEM_TRY(Print(inner, member.field.type, address + member.field.offset_bytes, member.field,
                     depth + 1));
    }
    return {};
  }

  Status PrintArray(const std::string& path, types::TypeId type, const TypeInfo& info,
                    VirtAddr address, size_t depth) {
    HMEM_ASSIGN(TypeInfo element, types_.Resolve(info.target));
    if (IsCharacter(element) && info.count > 0) {
      PrintText(path, type, info.count, address);
      return {};
    }
    if (depth >= limits_.max_depth) {
      Line(path, type, "{...}");
      return {};
    }
    uint64_t size = element.size_bytes;
    if (element.kind == Kind::kPointer) size = static_cast<uint64_t>(memory_.word_bytes());
    if (element.kind == Kind::kArray) {
      HMEM_ASSIGN(size, ArrayBytes(element));
    }
    const uint64_t shown = std::min<uint64_t>(info.count, limits_.max_elements);
    if (shown == 0 || size == 0) {
      Line(path, type, "{}");
      return {};
    }
    for (uint64_t i = 0; i < shown && !Full(); ++i) {
      HMEM_TRY(
          Print(fmt::format("{}[{}]", path, i), info.target, address + i * size, {}, depth + 1));
    }
    if (shown < info.count) {
      findings_.Add(
          Severity::kInfo, "print.long-array", path,
          fmt::format("of arrays only the first {} elements are shown", limits_.max_elements));
    }
    return {};
  }

  Result<uint64_t> ArrayBytes(TypeInfo array) {
    uint64_t count = 1;
    for (size_t depth = 0; array.kind == Kind::kArray; ++depth) {
      if (depth >= limits_.max_depth || !CheckedMul(count, array.count, &count)) {
        return Fail(ErrorCode::kCorrupt, "an array of arrays without end");
      }
      HMEM_ASSIGN(array, types_.Resolve(array.target));
    }
    uint64_t bytes = 0;
    if (!CheckedMul(count, array.size_bytes, &bytes))
      return Fail(ErrorCode::kCorrupt, "an array larger than memory");
    return bytes;
  }

  void PrintText(const std::string& path, types::TypeId type, uint64_t bytes, VirtAddr address) {
    auto text = memory_.Text(address, std::min<uint64_t>(bytes, kMaxTextBytes));
    if (!text) return Unreadable(path, type, text.error());
    std::string shown = "\"";
    for (char c : firstfailure::SafeText(*text)) {
      if (c == '"' || c == '\\') shown += '\\';
      shown += c;
    }
    Line(path, type, shown + "\"");
  }

  void PrintScalar(const std::string& path, types::TypeId type, const TypeInfo& info,
                   VirtAddr address, const types::Field& field) {
    uint64_t size = field.bit_size != 0 ? field.size_bytes : info.size_bytes;
    if (info.kind == Kind::kPointer) size = static_cast<uint64_t>(memory_.word_bytes());
    if (!IsWhole(size)) return PrintBytes(path, type, size, address);
    auto raw = memory_.Unsigned(address, size);
    if (!raw) return Unreadable(path, type, raw.error());
    const uint64_t value = field.Extract(*raw);
    const auto bits = static_cast<uint32_t>(field.bit_size != 0 ? field.bit_size : size * 8);
    Line(path, type, Scalar(info, value, bits));
  }

  std::string Scalar(const TypeInfo& info, uint64_t value, uint32_t bits) const {
    if (info.kind == Kind::kPointer) return Pointer(value);
    if (info.kind == Kind::kEnum) {
      const int64_t number = info.is_signed ? SignExtend(value, bits) : static_cast<int64_t>(value);
      for (const auto& [name, enumerator] : info.values) {
        if (enumerator == number)
          return fmt::format("{} ({})", number, firstfailure::SafeText(name, 256));
      }
      return fmt::format("{}", number);
    }
    if (info.name == "_Bool" || info.name == "bool")
      return value == 0 ? "false" : value == 1 ? "true" : fmt::format("{}", value);
    if (info.is_signed) return fmt::format("{}", SignExtend(value, bits));
    // Large unsigned numbers are addresses, masks or magics more often than counts.
    return value >= (uint64_t{1} << 16) ? fmt::format("{:#x}", value) : fmt::format("{}", value);
  }

  std::string Pointer(uint64_t value) const {
    if (value == 0) return "NULL";
    std::string text = fmt::format("{:#x}", value);
    if (auto located = symbols_.Locate(VirtAddr(value))) {
      text += fmt::format(" <{}+{:#x}>", firstfailure::SafeText(located->symbol.name, 256),
                          located->offset);
    }
    return text;
  }

  void PrintBytes(const std::string& path, types::TypeId type, uint64_t size, VirtAddr address) {
    std::array<std::byte, 64> bytes;
    const auto shown = std::span(bytes).first(std::min<uint64_t>(size, bytes.size()));
    if (shown.empty()) return Line(path, type, "{}");
    if (auto read = memory_.Read(address, shown); !read)
      return Unreadable(path, type, read.error());
    std::string text;
    for (std::byte byte : shown) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
    Line(path, type, text + (shown.size() < size ? "..." : ""));
  }

  const VirtReader& memory_;
  const symbols::SymbolTable& symbols_;
  const types::TypeDb& types_;
  const PrintLimits& limits_;
  v1::ValueReport& report_;
  Findings& findings_;
};

}  // namespace

Status PrintValue(const VirtReader& memory, const symbols::SymbolTable& symbols,
                  const types::TypeDb& types, types::TypeId type, VirtAddr address,
                  const PrintLimits& limits, v1::ValueReport& report, Findings& findings) {
  report.set_type_name(firstfailure::SafeText(types.NameOf(type), 256));
  report.set_address(address.value);
  return Printer(memory, symbols, types, limits, report, findings).Print("", type, address, {}, 0);
}

}  // namespace hmem::hmemscope
