// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/kernel_mappings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "arch/arch.h"
#include "hmem/base/findings.h"
#include "hmem/space/address_space.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::space {

using source::MemorySource;
using source::VirtSegment;

namespace {

// A table of large pages maps 1 GiB: 64 TiB have fewer, as 128 GiB mapped page by page do. No
// machine has more than pages of RAM.
constexpr uint64_t kMaxTables = 1 << 16;
// Mappings of modules and of what was vmalloc()ed lead anywhere; the direct mapping is the first
// one of its size.
constexpr size_t kMaxDeltas = 4096;

// The distances between virtual and physical addresses, and how much is mapped with each.
class Survey final : public arch::TableVisitor {
 public:
  Survey(const arch::Arch& arch, const arch::TranslationFacts& facts, uint64_t most_tables)
      : arch_(arch), facts_(facts), tables_left_(most_tables) {}

  bool Table(PhysAddr, uint64_t) override {
    if (tables_left_ == 0) return false;
    --tables_left_;
    return true;
  }
  void Leaf(const arch::Mapping& mapping) override {
    if (facts_.fixed.contains(mapping.virt.start)) return TakeImage(mapping);
    const uint64_t delta = mapping.virt.start.value - mapping.phys.value;
    auto at = bytes_.find(delta);
    if (at == bytes_.end() && bytes_.size() < kMaxDeltas) at = bytes_.emplace(delta, 0).first;
    if (at != bytes_.end()) at->second += mapping.virt.size();
  }
  // What cannot be read maps less.
  void Unreadable(PhysAddr, const Error&) override {}

  std::optional<uint64_t> direct_delta() const {
    auto most = std::ranges::max_element(bytes_, {}, [](const auto& one) { return one.second; });
    return most == bytes_.end() ? std::nullopt : std::optional(most->first);
  }
  const std::optional<VirtSegment>& image() const { return image_; }

 private:
  // Modules are in there, too, and lie elsewhere.
  void TakeImage(const arch::Mapping& mapping) {
    if (arch_.fixed_translation(facts_, mapping.virt.start) != mapping.phys) return;
    if (!image_) image_ = {.virt = mapping.virt, .phys = mapping.phys};
    image_->virt.end = std::max(image_->virt.end, mapping.virt.end);
  }

  const arch::Arch& arch_;
  const arch::TranslationFacts& facts_;
  uint64_t tables_left_;
  std::map<uint64_t, uint64_t> bytes_;
  std::optional<VirtSegment> image_;
};

uint64_t MostTables(const MemorySource& source) {
  uint64_t pages = 0;
  for (const PhysRange& range : source.ram()) pages += range.size() / source.page_bytes();
  return std::min(kMaxTables, pages);
}

// An image that claims more than the range of RAM that it begins in is as long as that.
std::optional<VirtSegment> InRam(VirtSegment image, std::span<const PhysRange> ram) {
  for (const PhysRange& range : ram) {
    if (!range.contains(image.phys)) continue;
    const uint64_t bytes = std::min(image.virt.size(), range.end - image.phys);
    image.virt.end = image.virt.start + bytes;
    return image;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<VirtSegment>> KernelMappings(const MemorySource& source) {
  Findings unused;  // whoever analyses the dump tells of them
  HMEM_ASSIGN(const Vmcoreinfo vmcoreinfo, Vmcoreinfo::FromSource(source, unused));
  HMEM_ASSIGN(const arch::Arch* arch,
              arch::FindArch(source.elf_machine(), source.word_bytes(), source.endian()));
  if (arch->visit_tables == nullptr) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("page tables of {} are not gone through", arch->name));
  }
  HMEM_ASSIGN(const AddressSpace space, AddressSpace::Create(source, *arch, vmcoreinfo, unused));
  if (!space.uses_page_tables())
    return Fail(ErrorCode::kNotMapped, "the kernel's page tables cannot be used");
  Survey survey(*arch, space.facts(), MostTables(source));
  arch->visit_tables(source, space.facts(), arch::Half::kKernel, survey);

  std::vector<VirtSegment> segments;
  if (survey.image()) {
    if (auto image = InRam(*survey.image(), source.ram())) segments.push_back(*image);
  }
  if (auto delta = survey.direct_delta()) {
    for (const PhysRange& range : source.ram()) {
      const VirtAddr start(range.start.value + *delta);
      segments.push_back({.virt = {start, start + range.size()}, .phys = range.start});
    }
  }
  if (segments.empty()) return Fail(ErrorCode::kNotMapped, "the kernel's page tables map no RAM");
  return segments;
}

}  // namespace hmem::space
