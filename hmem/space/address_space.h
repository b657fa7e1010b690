// SPDX-License-Identifier: GPL-2.0-or-later
// The crashed kernel's virtual memory: fixed mappings, page tables, and a small cache of both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

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
  // VMCOREINFO symbol init_uts_ns reads back OSRELEASE); where that fails, PT_LOAD hints serve
  // alone and a finding says so. kUnsupported: the architecture translates nothing. kCorrupt:
  // neither way leads to OSRELEASE.
  static Result<AddressSpace> Create(const source::MemorySource& source, const arch::Arch& arch,
                                     const Vmcoreinfo& vmcoreinfo, Findings& findings);

  Result<arch::Mapping> Translate(VirtAddr addr) const;
  Status Read(VirtAddr addr, std::span<std::byte> out) const override;
  Endian endian() const override { return arch_->endian; }
  int word_bytes() const override { return arch_->word_bytes; }

  const arch::TranslationFacts& facts() const { return facts_; }
  uint64_t kaslr_offset() const { return facts_.kernel_offset; }

 private:
  AddressSpace(const source::MemorySource& source, const arch::Arch& arch)
      : source_(&source), arch_(&arch) {}

  static constexpr size_t kCacheEntries = 256;

  const source::MemorySource* source_;
  const arch::Arch* arch_;
  arch::TranslationFacts facts_;
  bool have_tables_ = false;
  mutable std::array<arch::Mapping, kCacheEntries> cache_{};
};

}  // namespace hmem::space
