// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/whole_scan.h"

namespace hmem::capture {

bool WholeScan::Next(ScannedRun& run) {
  auto ram = source_.ram();
  if (range_ >= ram.size()) return false;
  uint64_t page_bytes = source_.page_bytes();
  const PhysRange& range = ram[range_++];
  run = {.pages = {Pfn(range.start.value / page_bytes), Pfn(range.end.value / page_bytes)},
         .page_class = PageClass::kUnknown,
         .keep = true};
  return true;
}

uint64_t CountRamPages(const source::MemorySource& source) {
  uint64_t pages = 0;
  for (const PhysRange& range : source.ram()) pages += range.size() / source.page_bytes();
  return pages;
}

}  // namespace hmem::capture
