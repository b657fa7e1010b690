// SPDX-License-Identifier: GPL-2.0-or-later
// One byte of shape, sixteen of places, then memory: where each of the eight tables starts is a
// 16-bit offset into it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dumptools/symbols/kallsyms.h"

namespace {

constexpr hmem::VirtAddr kBase{0x82000000};

class FlatMemory : public hmem::VirtReader {
 public:
  FlatMemory(std::span<const std::byte> bytes, bool big) : bytes_(bytes), big_(big) {}
  hmem::Status Read(hmem::VirtAddr addr, std::span<std::byte> out) const override {
    const uint64_t at = addr - kBase;
    if (at > bytes_.size() || out.size() > bytes_.size() - at) {
      return hmem::Fail(hmem::ErrorCode::kNotMapped, "behind the input");
    }
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(at), out.size(), out.begin());
    return {};
  }
  hmem::Endian endian() const override { return big_ ? hmem::Endian::kBig : hmem::Endian::kLittle; }
  int word_bytes() const override { return big_ ? 4 : 8; }

 private:
  std::span<const std::byte> bytes_;
  bool big_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::array<std::string_view, 8> kKeys = {"_stext",
                                                     "kallsyms_names",
                                                     "kallsyms_num_syms",
                                                     "kallsyms_token_table",
                                                     "kallsyms_token_index",
                                                     "kallsyms_offsets",
                                                     "kallsyms_relative_base",
                                                     "kallsyms_addresses"};
  constexpr size_t kHeadBytes = 1 + kKeys.size() * sizeof(uint16_t);
  if (size < kHeadBytes) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  std::string keys;
  for (size_t i = 0; i < kKeys.size(); ++i) {
    // Bits of the shape leave out the tables of the other layouts.
    if ((i == 5 && (data[0] & 2) != 0) || (i == 6 && (data[0] & 4) != 0)) continue;
    const auto offset = hmem::Load<uint16_t>(bytes.data() + 1 + i * 2, hmem::Endian::kLittle);
    keys += fmt::format("SYMBOL({})={:x}\n", kKeys[i], kBase.value + offset);
  }
  hmem::Findings findings;
  hmem::symbols::SymbolTable table;
  const FlatMemory memory(bytes.subspan(kHeadBytes), (data[0] & 1) != 0);
  (void)hmem::symbols::LoadKallsyms(memory, hmem::space::Vmcoreinfo::Parse(keys, findings), table,
                                    findings);
  table.Seal();
  (void)table.Find("_stext");
  for (size_t i = 0; i < table.size(); ++i) (void)table.Locate(table.At(i).address + i);
  return 0;
}
