// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/classify/page_layout.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

namespace hmem::capture {
namespace {

// Of any architecture; on most 11.
constexpr uint64_t kMaxOrders = 20;
// PAGE_MAPCOUNT_RESERVE: page types are below it as signed numbers. What lies above are numbers of
// mappings, and -1, which is most pages'.
constexpr int64_t kMostTypeValue = -128;

// A page type as VMCOREINFO has it: a negative number of 32 bits, by some kernels written unsigned.
std::optional<uint32_t> PageType(uint64_t number) {
  auto value = static_cast<int64_t>(number);
  if (number >> 31 == 1) value -= int64_t{1} << 32;
  if (value > kMostTypeValue || value < INT32_MIN) return std::nullopt;
  return static_cast<uint32_t>(number);
}

class LayoutReader {
 public:
  LayoutReader(const space::Vmcoreinfo& vmcoreinfo, const types::TypeDb* types, PageLayout& layout,
               Findings& findings)
      : vmcoreinfo_(vmcoreinfo), types_(types), layout_(layout), findings_(findings) {}

  Status ReadOffsets();
  Status ReadFlags();
  void ReadTypes();
  void ReadHugetlb();
  void ReadOrders();

 private:
  // Offset of a member of struct page, checked to lie within it.
  Result<uint32_t> Offset(std::string_view member, uint64_t bytes) const;
  // Mask of a flag; 0: neither VMCOREINFO nor the types have its number.
  uint64_t Flag(std::string_view name) const;
  std::optional<uint32_t> Type(std::string_view key, std::string_view enumerator);
  // Two types of one number tell nothing.
  void DropSharedTypes();
  void Lacks(std::string_view what, std::string_view consequence) {
    findings_.Add(Severity::kInfo, "classify.layout", what,
                  fmt::format("the kernel does not say {}: {}", what, consequence));
  }

  const space::Vmcoreinfo& vmcoreinfo_;
  const types::TypeDb* types_;
  PageLayout& layout_;
  Findings& findings_;
};

Result<uint32_t> LayoutReader::Offset(std::string_view member, uint64_t bytes) const {
  std::string key = fmt::format("page.{}", member);
  std::optional<uint64_t> offset = vmcoreinfo_.Offset(key);
  if (!offset && types_ != nullptr) {
    auto field = types_->Member("page", member);
    if (field) offset = field->offset_bytes;
  }
  if (!offset) {
    return Fail(ErrorCode::kMissingDebugInfo, fmt::format("VMCOREINFO: no OFFSET({})", key));
  }
  if (*offset > layout_.struct_page_bytes || layout_.struct_page_bytes - *offset < bytes ||
      *offset % bytes != 0) {
    return Fail(ErrorCode::kCorrupt, fmt::format("VMCOREINFO: OFFSET({}) is {}", key, *offset));
  }
  return static_cast<uint32_t>(*offset);
}

Status LayoutReader::ReadOffsets() {
  const auto word = static_cast<uint64_t>(layout_.word_bytes);
  HMEM_ASSIGN(layout_.flags, Offset("flags", word));
  HMEM_ASSIGN(layout_.mapping, Offset("mapping", word));
  HMEM_ASSIGN(layout_.mapcount, Offset("_mapcount", 4));
  HMEM_ASSIGN(layout_.page_private, Offset("private", word));
  // Renamed in 7.1; the lowest bit still says "tail".
  auto head = Offset("compound_head", word);
  if (!head) head = Offset("compound_info", word);
  HMEM_ASSIGN(layout_.compound_head, head);
  return {};
}

uint64_t LayoutReader::Flag(std::string_view name) const {
  std::optional<uint64_t> bit = vmcoreinfo_.Number(fmt::format("NUMBER({})", name));
  if (!bit && types_ != nullptr) {
    auto value = types_->Enumerator(name);
    if (value && *value >= 0) bit = static_cast<uint64_t>(*value);
  }
  if (!bit || *bit >= static_cast<uint64_t>(layout_.word_bytes) * 8) return 0;
  return uint64_t{1} << *bit;
}

Status LayoutReader::ReadFlags() {
  layout_.lru = Flag("PG_lru");
  layout_.private_bit = Flag("PG_private");
  layout_.swapcache = Flag("PG_swapcache");
  layout_.swapbacked = Flag("PG_swapbacked");
  if (layout_.lru == 0 || layout_.private_bit == 0) {
    return Fail(ErrorCode::kMissingDebugInfo,
                "VMCOREINFO: no NUMBER(PG_lru) or no NUMBER(PG_private)");
  }
  if (layout_.swapcache == 0 || layout_.swapbacked == 0) {
    layout_.swapcache = layout_.swapbacked = 0;
    Lacks("NUMBER(PG_swapcache) and NUMBER(PG_swapbacked)", "the swap cache is kept");
  }
  // Without memory failure handling the kernel has no such flag.
  layout_.hwpoison = Flag("PG_hwpoison");
  layout_.head = vmcoreinfo_.Number("NUMBER(PG_head_mask)").value_or(0);
  if (layout_.head == 0) layout_.head = Flag("PG_head");
  return {};
}

std::optional<uint32_t> LayoutReader::Type(std::string_view key, std::string_view enumerator) {
  if (auto value = vmcoreinfo_.Number(fmt::format("NUMBER({})", key))) {
    std::optional<uint32_t> type = PageType(*value);
    if (!type) {
      findings_.Add(Severity::kInfo, "classify.layout", fmt::format("NUMBER({})", key),
                    fmt::format("VMCOREINFO: NUMBER({}) is {:#x}, which is no page type: pages of "
                                "it are not told apart",
                                key, *value));
    }
    return type;
  }
  if (types_ == nullptr || enumerator.empty() || layout_.type_mask != 0xff000000)
    return std::nullopt;
  auto value = types_->Enumerator(enumerator);
  if (!value || *value < 0 || *value > 0xff) return std::nullopt;
  return static_cast<uint32_t>(*value) << 24;
}

void LayoutReader::ReadTypes() {
  layout_.buddy = Type("PAGE_BUDDY_MAPCOUNT_VALUE", {});
  if (layout_.buddy && (*layout_.buddy & 0x00ffffff) == 0) layout_.type_mask = 0xff000000;
  layout_.offline = Type("PAGE_OFFLINE_MAPCOUNT_VALUE", "PGTY_offline");
  layout_.slab_type = Type("PAGE_SLAB_MAPCOUNT_VALUE", "PGTY_slab");
  layout_.hugetlb_type = Type("PAGE_HUGETLB_MAPCOUNT_VALUE", "PGTY_hugetlb");
  layout_.unaccepted = Type("PAGE_UNACCEPTED_MAPCOUNT_VALUE", "PGTY_unaccepted");
  layout_.table = Type("PAGE_TABLE_MAPCOUNT_VALUE", "PGTY_table");
  // The older numbers are not exported for page tables; there the types are neighbouring bits, in
  // one order since 4.18: buddy, offline (5.1; kmemcg before), table.
  if (!layout_.table && layout_.buddy == ~uint32_t{0x80}) layout_.table = ~uint32_t{0x200};
  DropSharedTypes();
  if (!layout_.buddy) Lacks("PAGE_BUDDY_MAPCOUNT_VALUE", "free pages are kept");
  if (!layout_.slab_type) layout_.slab_bit = Flag("PG_slab");
  if (!layout_.slab_type && layout_.slab_bit == 0)
    Lacks("PG_slab", "slab pages count as kernel pages");
}

void LayoutReader::DropSharedTypes() {
  const std::array<std::optional<uint32_t>*, 6> types = {&layout_.buddy,        &layout_.offline,
                                                         &layout_.hugetlb_type, &layout_.slab_type,
                                                         &layout_.unaccepted,   &layout_.table};
  for (size_t i = 0; i < types.size(); ++i) {
    bool shared = false;
    for (size_t j = i + 1; j < types.size() && *types[i]; ++j) {
      if (*types[j] != *types[i]) continue;
      types[j]->reset();
      shared = true;
    }
    if (!shared) continue;
    findings_.Add(Severity::kInfo, "classify.layout", fmt::format("page type {:#x}", **types[i]),
                  fmt::format("VMCOREINFO: two kinds of page have the type {:#x}: pages of it are "
                              "not told apart",
                              **types[i]));
    types[i]->reset();
  }
}

void LayoutReader::ReadHugetlb() {
  if (layout_.hugetlb_type) return;
  layout_.hugetlb_bit = Flag("PG_hugetlb");
  if (layout_.hugetlb_bit != 0) return;
  std::optional<uint64_t> value = vmcoreinfo_.Number("NUMBER(HUGETLB_PAGE_DTOR)");
  // 0 and 1 are those of other compound pages (enum compound_dtor_id).
  if (!value || *value < 2 || *value > 0xff) {
    Lacks("how hugetlb pages are known", "they are kept");
    return;
  }
  std::optional<uint64_t> offset = vmcoreinfo_.Offset("page.compound_dtor");
  if (!offset) {  // 6.3 to 6.5: of struct folio, which lies over several struct pages
    offset = vmcoreinfo_.Offset("folio._folio_dtor");
    if (offset && *offset >= layout_.struct_page_bytes) *offset -= layout_.struct_page_bytes;
  }
  if (!offset || *offset >= layout_.struct_page_bytes) {
    Lacks("where compound pages keep their destructor", "hugetlb pages are kept");
    return;
  }
  layout_.dtor = static_cast<uint32_t>(*offset);
  layout_.hugetlb_dtor = static_cast<uint32_t>(*value);
}

void LayoutReader::ReadOrders() {
  uint64_t orders = vmcoreinfo_.Number("LENGTH(zone.free_area)").value_or(layout_.orders);
  if (orders >= 1 && orders <= kMaxOrders) {
    layout_.orders = static_cast<uint32_t>(orders);
    return;
  }
  findings_.Add(Severity::kInfo, "classify.layout", "LENGTH(zone.free_area)",
                fmt::format("VMCOREINFO: LENGTH(zone.free_area) is {}: taken for {}", orders,
                            layout_.orders));
}

}  // namespace

Result<PageLayout> PageLayout::Make(const space::Vmcoreinfo& vmcoreinfo, const types::TypeDb* types,
                                    Endian endian, int word_bytes, Findings& findings) {
  PageLayout layout{.endian = endian, .word_bytes = word_bytes};
  layout.struct_page_bytes = vmcoreinfo.Size("page").value_or(0);
  LayoutReader reader(vmcoreinfo, types, layout, findings);
  HMEM_TRY(reader.ReadOffsets());
  HMEM_TRY(reader.ReadFlags());
  reader.ReadTypes();
  reader.ReadHugetlb();
  reader.ReadOrders();
  return layout;
}

}  // namespace hmem::capture
