// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/elf_layout.h"

#include <fmt/format.h>

namespace hmem::capture {

Status ElfLayout::EndPiece(PhysAddr memory_end) {
  const uint64_t file_bytes = data_end_ - *start_;
  HMEM_TRY(emit_(
      {.memory = {*start_, memory_end}, .offset = end_ - file_bytes, .file_bytes = file_bytes}));
  start_.reset();
  return {};
}

Status ElfLayout::GoTo(PhysAddr addr) {
  auto ram = source_.ram();
  for (; range_ < ram.size() && ram[range_].end <= addr; ++range_) {
    if (!start_) start_ = data_end_ = ram[range_].start;
    HMEM_TRY(EndPiece(ram[range_].end));
  }
  return {};
}

Result<uint64_t> ElfLayout::Place(PfnRange pages) {
  const uint64_t page_bytes = source_.page_bytes();
  const PhysRange run{PhysAddr(pages.start.value * page_bytes),
                      PhysAddr(pages.end.value * page_bytes)};
  HMEM_TRY(GoTo(run.start));
  if (range_ == source_.ram().size() || run.start < source_.ram()[range_].start ||
      run.end > source_.ram()[range_].end) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("phys {:#x}: pages to dump that are no RAM", run.start.value));
  }
  if (!start_) start_ = data_end_ = source_.ram()[range_].start;
  uint64_t gap = run.start - data_end_;
  if (gap >= gap_bytes_) {
    HMEM_TRY(EndPiece(run.start));
    start_ = run.start;
    gap = 0;
  }
  pages_in_gaps_ += gap / page_bytes;
  const uint64_t offset = end_ + gap;
  end_ = offset + run.size();
  data_end_ = run.end;
  return offset;
}

Status ElfLayout::Finish() {
  if (source_.ram().empty()) return {};
  return GoTo(source_.ram().back().end);
}

}  // namespace hmem::capture
