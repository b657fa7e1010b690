// SPDX-License-Identifier: GPL-2.0-or-later
// Which bits of a struct page tell what its page is, for the kernel at hand: VMCOREINFO first, BTF
// second, never the release number. Source: include/linux/mm_types.h, include/linux/page-flags.h;
// what VMCOREINFO has: kernel/crash_core.c, from 6.9 on kernel/vmcore_info.c.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dumptools/types/type_db.h"
#include "hmem/base/endian.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::capture {

struct PageLayout {
  Endian endian = Endian::kLittle;
  int word_bytes = 8;
  uint64_t struct_page_bytes = 0;

  // Offsets in struct page, bytes.
  uint32_t flags = 0, mapping = 0, mapcount = 0, page_private = 0, compound_head = 0;

  // Masks of page.flags; 0: this kernel does not say, and the class is not told apart.
  uint64_t lru = 0, private_bit = 0, swapcache = 0, swapbacked = 0, hwpoison = 0, head = 0;
  uint64_t slab_bit = 0;  // before 6.10

  // page_type, which shares its place with _mapcount: up to 6.10 a type is a bit that is clear in a
  // number that is otherwise all ones, from 6.11 on it is the top byte. What is left of it under
  // the mask is compared.
  uint32_t type_mask = 0xffffffff;
  std::optional<uint32_t> buddy, offline, hugetlb_type, slab_type, unaccepted, table;

  // hugetlb before page types: a number in the second struct page of a compound page (up to 6.5),
  // or a flag of it (6.6 to 6.8).
  std::optional<uint32_t> dtor;  // offset in struct page
  uint32_t hugetlb_dtor = 0;
  uint64_t hugetlb_bit = 0;

  uint32_t orders = 11;  // of the buddy allocator: 0 .. orders - 1

  // kMissingDebugInfo names a key without which nothing can be told. For each class that cannot be
  // told apart a finding says so. `types` may be absent.
  static Result<PageLayout> Make(const space::Vmcoreinfo& vmcoreinfo, const types::TypeDb* types,
                                 Endian endian, int word_bytes, Findings& findings);

  // Of a struct page of struct_page_bytes.
  uint64_t Word(std::span<const std::byte> page, uint32_t offset) const {
    return word_bytes == 8 ? Load<uint64_t>(page.data() + offset, endian)
                           : Load<uint32_t>(page.data() + offset, endian);
  }
  uint32_t Type(std::span<const std::byte> page) const {
    return Load<uint32_t>(page.data() + mapcount, endian);
  }
};

}  // namespace hmem::capture
