// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hmem::capture {

using format::StoredFate;

namespace {

// A batch ends here even when all of it was zero: progress and deadlines are looked at between
// batches.
constexpr uint64_t kMaxScanBytes = 64 << 20;

}  // namespace

bool IsZero(std::span<const std::byte> bytes) {
  constexpr size_t kStep = 64;
  while (bytes.size() >= kStep) {
    uint64_t words[kStep / 8];
    std::memcpy(words, bytes.data(), kStep);
    uint64_t any = 0;
    for (uint64_t word : words) any |= word;
    if (any != 0) return false;
    bytes = bytes.subspan(kStep);
  }
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

PageReader::PageReader(const source::MemorySource& source, bool keep_zero, Findings& findings)
    : source_(source), keep_zero_(keep_zero), findings_(findings) {
  for (const PhysRange& range : source.ram()) ram_pages_ += range.size() / source.page_bytes();
}

bool PageReader::Fill(PageBatch& batch) {
  batch.Clear();
  uint32_t page_bytes = source_.page_bytes();
  auto ram = source_.ram();
  uint64_t scanned = 0;
  while (range_ < ram.size() && scanned < kMaxScanBytes) {
    uint64_t end = ram[range_].end.value / page_bytes;
    if (!inside_) {
      next_pfn_ = ram[range_].start.value / page_bytes;
      inside_ = true;
    }
    if (next_pfn_ >= end) {
      ++range_;
      inside_ = false;
      continue;
    }
    uint32_t pages = static_cast<uint32_t>(std::min<uint64_t>(batch.room(), end - next_pfn_));
    if (pages == 0 || batch.PagesInReach(next_pfn_) < pages) break;
    next_pfn_ = Sort(batch, next_pfn_, pages, end);
    scanned += uint64_t{pages} * page_bytes;
  }
  return !batch.empty() || range_ < ram.size();
}

uint64_t PageReader::Sort(PageBatch& batch, uint64_t pfn, uint32_t pages, uint64_t end) {
  uint64_t page_bytes = source_.page_bytes();
  std::byte* window = batch.tail();
  if (!source_.Read(PhysAddr(pfn * page_bytes), std::span(window, pages * page_bytes)))
    return ReadSingly(batch, pfn, pages, end);
  for (uint32_t i = 0; i < pages; ++i) Take(batch, pfn + i, window + i * page_bytes);
  return pfn + pages;
}

void PageReader::Take(PageBatch& batch, uint64_t pfn, const std::byte* bytes) {
  if (!keep_zero_ && IsZero(std::span(bytes, batch.page_bytes()))) {
    batch.AddFate(pfn, StoredFate::kZero, 0, 0);
    ++counts_.zero;
    return;
  }
  if (bytes != batch.tail()) std::memmove(batch.tail(), bytes, batch.page_bytes());
  batch.Keep(pfn);
  ++counts_.kept;
}

uint64_t PageReader::ReadSingly(PageBatch& batch, uint64_t pfn, uint32_t pages, uint64_t end) {
  const uint64_t window_end = pfn + pages;
  while (pfn < window_end) {
    PhysAddr addr(pfn * batch.page_bytes());
    Status status = source_.Read(addr, std::span(batch.tail(), batch.page_bytes()));
    if (status) {
      Take(batch, pfn++, batch.tail());
      continue;
    }
    // A stretch that the source knows to be missing is one step, however long it is. What it calls
    // present and cannot read may be readable again one page on.
    uint64_t most = end - pfn;
    if (status.error().code() != ErrorCode::kTruncated)  // of these no frame speaks
      most = std::min<uint64_t>(most, batch.PagesInReach(pfn));
    source::PageFateRun run = source_.FateFrom(Pfn(pfn), most);
    uint64_t behind = pfn + (run.fate == source::PageFate::kPresent ? 1 : run.pages);
    TakeMissing(batch, {Pfn(pfn), Pfn(behind)}, status.error());
    pfn = behind;
  }
  return pfn;
}

void PageReader::TakeMissing(PageBatch& batch, PfnRange pages, const Error& error) {
  const uint64_t first = pages.start.value;
  const uint64_t count = pages.size();
  const auto in_frame = static_cast<uint32_t>(count);
  std::string place = fmt::format("pfn {:#x}", first);
  if (count > 1) place += fmt::format(" to {:#x}", pages.end.value);
  switch (error.code()) {
    case ErrorCode::kExcluded:
      batch.AddFate(first, StoredFate::kExcluded, kFilteredBefore, 0, in_frame);
      counts_.excluded += count;
      break;
    case ErrorCode::kTruncated:
      counts_.missing += count;
      findings_.Add(Severity::kLoss, "capture.source-cut", place,
                    "the source does not reach these pages");
      break;
    default: {
      int errno_value = error.errno_value() != 0               ? error.errno_value()
                        : error.code() == ErrorCode::kNotFound ? ENXIO
                                                               : EIO;
      batch.AddFate(first, StoredFate::kUnreadable, 0, static_cast<uint16_t>(errno_value),
                    in_frame);
      counts_.unreadable += count;
      findings_.Add(Severity::kLoss, "capture.unreadable",
                    fmt::format("{}: {}", place, error.ToString()),
                    "pages of the source could not be read; the dump says which");
      break;
    }
  }
}

}  // namespace hmem::capture
