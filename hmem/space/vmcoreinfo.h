// SPDX-License-Identifier: GPL-2.0-or-later
// VMCOREINFO: the crashed kernel's own KEY=VALUE description (kernel/crash_core.c, vmcore_info.c
// from 6.9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "hmem/base/address.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::space {

class Vmcoreinfo {
 public:
  static constexpr size_t kMaxKeys = 4096;
  static constexpr size_t kMaxLineBytes = 256;

  // From the text of the note. Lines without '=', longer than kMaxLineBytes or beyond kMaxKeys, and
  // keys repeated with another value (the first stays), become findings.
  static Vmcoreinfo Parse(std::string_view text, Findings& findings);
  // From the notes of a source. kNotFound: the dump carries no such note.
  static Result<Vmcoreinfo> FromSource(const source::MemorySource& source, Findings& findings);

  std::optional<std::string_view> Text(std::string_view key) const;  // "OSRELEASE", "BUILD-ID"
  // Any key whose value is a number. SYMBOL, ADDRESS and KERNELOFFSET are hexadecimal (%lx), every
  // other key decimal (%ld: negative ones sign-extended), except that 0x makes any value
  // hexadecimal.
  std::optional<uint64_t> Number(std::string_view key) const;
  std::optional<VirtAddr> Symbol(std::string_view name) const;    // "SYMBOL(name)"
  std::optional<uint64_t> Offset(std::string_view member) const;  // "OFFSET(member)", bytes
  std::optional<uint64_t> Size(std::string_view type) const;      // "SIZE(type)", bytes

  const std::map<std::string, std::string, std::less<>>& all() const { return values_; }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace hmem::space
