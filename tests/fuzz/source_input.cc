// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/source_input.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "hmem/base/fd.h"
#include "hmem/source/memory_source.h"

namespace hmem::fuzz {
namespace {

constexpr size_t kMaxRanges = 64;
constexpr size_t kMaxPages = 8;

// The contract: what FateOf calls present reads, what it does not does not, unless the bytes are
// damaged.
void CheckPage(const source::MemorySource& source, PhysAddr page, std::span<std::byte> buffer) {
  source::PageFate fate = source.FateOf(Pfn(page.value / source.page_bytes()));
  Status status = source.Read(page, buffer);
  if (status && fate != source::PageFate::kPresent) std::abort();
  if (!status && status.error().ToString().empty()) std::abort();
}

// Every page of the map has a fate, and stepping by runs gets to the end of any map.
void CountPages(const source::MemorySource& source) {
  for (const PhysRange& range : source.ram()) {
    uint64_t pfn = range.start.value / source.page_bytes();
    const uint64_t end = range.end.value / source.page_bytes();
    while (pfn < end) {
      source::PageFateRun run = source.FateFrom(Pfn(pfn), end - pfn);
      if (run.pages == 0 || run.pages > end - pfn) std::abort();
      if (source.FateOf(Pfn(pfn + run.pages - 1)) != run.fate) std::abort();
      pfn += run.pages;
    }
  }
}

}  // namespace

void ExerciseSource(std::span<const uint8_t> bytes) {
  UniqueFd fd(::memfd_create("hmem-fuzz", MFD_CLOEXEC));
  if (!fd.valid() || !WriteAll(fd.get(), std::as_bytes(bytes), "memfd")) std::abort();
  auto opened = source::Open(fmt::format("/proc/self/fd/{}", fd.get()));
  if (!opened) return;
  const source::MemorySource& source = **opened;
  std::vector<std::byte> buffer(source.page_bytes());
  std::array<std::byte, 100> small;
  PhysAddr behind(0);
  for (const PhysRange& range : source.ram().first(std::min(source.ram().size(), kMaxRanges))) {
    if (range.empty() || range.start < behind) std::abort();  // sorted, disjoint
    behind = range.end;
    PhysAddr page = range.start;
    for (size_t i = 0; i < kMaxPages && page < range.end; ++i, page = page + source.page_bytes()) {
      CheckPage(source, page, buffer);
    }
    (void)source.Read(range.end - small.size() / 2, small);
    (void)source.Read(range.start - small.size() / 2, small);
  }
  (void)source.Read(PhysAddr(~uint64_t{0} - 10), small);
  (void)source.FateOf(Pfn(~uint64_t{0}));
  CountPages(source);
  Findings findings;
  (void)source.Verify(findings);
}

}  // namespace hmem::fuzz
