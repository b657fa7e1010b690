// SPDX-License-Identifier: GPL-2.0-or-later
// One byte of levels, eight of address, then physical memory that repeats itself: every entry leads
// somewhere.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arch/x86_64/page_tables.h"

namespace {

class RepeatingMemory : public hmem::PhysReader {
 public:
  explicit RepeatingMemory(std::span<const std::byte> bytes) : bytes_(bytes) {}
  hmem::Status Read(hmem::PhysAddr addr, std::span<std::byte> out) const override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = bytes_[(addr.value + i) % bytes_.size()];
    return {};
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeadBytes = 9;
  if (size < kHeadBytes + 8) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  const hmem::VirtAddr addr(hmem::Load<uint64_t>(bytes.data() + 1, hmem::Endian::kLittle));
  const RepeatingMemory memory(bytes.subspan(kHeadBytes));
  const hmem::arch::TranslationFacts facts{.levels = 3 + data[0] % 4};
  auto mapping = hmem::arch::x86_64::Walk(memory, facts, addr);
  // Half-open: the last byte of the address space is in no range.
  if (mapping && addr.value != ~uint64_t{0} && !mapping->virt.contains(addr)) __builtin_trap();
  return 0;
}
