// SPDX-License-Identifier: GPL-2.0-or-later
// The crashed kernel's virtual memory: fixed mappings, page tables, and a small cache of both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "arch/arch.h"
#include "hmem/base/address.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/base/virt_reader.h"
#include "hmem/source/memory_source.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::space {

// `source` and `arch` must outlive it. Not thread-safe: translations are cached (fixed size).
class AddressSpace final : public VirtReader {
 public:
  // Finds the page tables through VMCOREINFO and checks them on an address that must map (the
  // VMCOREINFO symbol init_uts_ns reads back OSRELEASE). Where that fails, the fixed mapping of the
  // architecture and the PT_LOAD hints serve alone, and a finding says so.
  // kUnsupported: the architecture translates nothing. kCorrupt: neither way leads to OSRELEASE.
  static Result<AddressSpace> Create(const source::MemorySource& source, const arch::Arch& arch,
                                     const Vmcoreinfo& vmcoreinfo, Findings& findings);

  // The mapping that covers `addr`. Page tables first; where a table cannot be read (but not where
  // it says "not present") the fixed mapping and the PT_LOAD hints.
  Result<arch::Mapping> Translate(VirtAddr addr) const;
  Status Read(VirtAddr addr, std::span<std::byte> out) const override;
  // Where they lie in one piece of physical memory, and the source lends that.
  std::optional<std::span<const std::byte>> Borrow(VirtAddr addr, uint64_t bytes) const override;
  Endian endian() const override { return arch_->endian; }
  int word_bytes() const override { return arch_->word_bytes; }

  const arch::TranslationFacts& facts() const { return facts_; }
  uint64_t kaslr_offset() const { return facts_.kernel_offset; }
  // False: translations come from the fixed mapping and the PT_LOAD hints alone.
  bool uses_page_tables() const { return have_tables_; }

 private:
  enum class Check { kGood, kWrong, kUnknown };

  AddressSpace(const source::MemorySource& source, const arch::Arch& arch)
      : source_(&source), arch_(&arch) {}

  // Physical memory in one piece from `addr` on: where, and how many of `bytes` (not 0) there are.
  struct Run {
    PhysAddr phys;
    uint64_t bytes;
  };
  Result<Run> RunAt(VirtAddr addr, uint64_t bytes) const;
  Result<arch::Mapping> TranslateUncached(VirtAddr addr) const;
  std::optional<arch::Mapping> TranslateWithoutTables(VirtAddr addr) const;
  Check CheckRelease(const Vmcoreinfo& vmcoreinfo, std::string& reason) const;

  // Direct-mapped, by page number: small pages by 4 KiB, everything larger by 2 MiB.
  static constexpr size_t kSmallEntries = 256;
  static constexpr size_t kLargeEntries = 64;

  const source::MemorySource* source_;
  const arch::Arch* arch_;
  arch::TranslationFacts facts_;
  bool have_tables_ = false;
  mutable std::array<arch::Mapping, kSmallEntries> small_{};
  mutable std::array<arch::Mapping, kLargeEntries> large_{};
};

}  // namespace hmem::space
