// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/page_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hmem::capture {

using format::StoredFate;

namespace {

class BatchReader {
 public:
  BatchReader(const source::MemorySource& source, bool keep_zero, PageBatch& batch)
      : source_(source), keep_zero_(keep_zero), batch_(batch) {}

  // Pages in a row that are all to be read.
  void Read(PfnRange pages);
  void Tell(const PageBatch::PlannedRun& run);

 private:
  void ReadSingly(PfnRange pages);
  // One page whose bytes are at `bytes`, somewhere at or behind the tail.
  void Take(uint64_t pfn, const std::byte* bytes);

  const source::MemorySource& source_;
  bool keep_zero_;
  PageBatch& batch_;
};

void BatchReader::Read(PfnRange pages) {
  const uint64_t page_bytes = batch_.page_bytes();
  std::byte* window = batch_.tail();
  if (!source_.Read(PhysAddr(pages.start.value * page_bytes),
                    std::span(window, pages.size() * page_bytes))) {
    return ReadSingly(pages);
  }
  for (uint64_t i = 0; i < pages.size(); ++i) Take(pages.start.value + i, window + i * page_bytes);
}

void BatchReader::Take(uint64_t pfn, const std::byte* bytes) {
  if (!keep_zero_ && IsZero(std::span(bytes, batch_.page_bytes()))) {
    batch_.AddFate({.first_pfn = pfn, .count = 1, .fate = StoredFate::kZero});
    return;
  }
  if (bytes != batch_.tail()) std::memmove(batch_.tail(), bytes, batch_.page_bytes());
  batch_.Keep(pfn);
}

void BatchReader::ReadSingly(PfnRange pages) {
  for (uint64_t pfn = pages.start.value; pfn < pages.end.value; ++pfn) {
    Status status = source_.Read(PhysAddr(pfn * batch_.page_bytes()),
                                 std::span(batch_.tail(), batch_.page_bytes()));
    if (status) {
      Take(pfn, batch_.tail());
      continue;
    }
    PfnRange page{Pfn(pfn), Pfn(pfn + 1)};
    if (status.error().code() == ErrorCode::kTruncated) {
      batch_.AddMissing(1);
      batch_.findings().Add(Severity::kLoss, "capture.source-cut", PlaceOf(page),
                            "the source does not reach these pages");
      continue;
    }
    Tell(FateOfUnreadable(status.error(), page, batch_.findings()));
  }
}

void BatchReader::Tell(const PageBatch::PlannedRun& run) {
  batch_.AddFate({.first_pfn = run.pages.start.value,
                  .count = static_cast<uint32_t>(run.pages.size()),
                  .fate = run.fate,
                  .page_class = run.page_class,
                  .error_number = run.error_number});
}

}  // namespace

bool IsZero(std::span<const std::byte> bytes) {
  // Most pages say so in their first words. Of the others each word equals the next one when all
  // are zero: the C library compares with the widest registers that the machine has.
  constexpr size_t kStep = 8;
  uint64_t first = 0;
  std::memcpy(&first, bytes.data(), std::min(bytes.size(), kStep));
  return first == 0 && (bytes.size() <= kStep ||
                        std::memcmp(bytes.data(), bytes.data() + kStep, bytes.size() - kStep) == 0);
}

std::string PlaceOf(PfnRange pages) {
  std::string place = fmt::format("pfn {:#x}", pages.start.value);
  if (pages.size() > 1) place += fmt::format(" to {:#x}", pages.end.value);
  return place;
}

PageBatch::PlannedRun FateOfUnreadable(const Error& error, PfnRange pages, Findings& findings) {
  if (error.code() == ErrorCode::kExcluded) {
    return {.pages = pages, .fate = StoredFate::kExcluded};
  }
  int number = error.errno_value();
  if (number == 0) number = error.code() == ErrorCode::kNotFound ? ENXIO : EIO;
  findings.Add(Severity::kLoss, "capture.unreadable",
               fmt::format("{}: {}", PlaceOf(pages), error.ToString()),
               "pages of the source could not be read; the dump says which");
  return {.pages = pages,
          .fate = StoredFate::kUnreadable,
          .error_number = static_cast<uint16_t>(number)};
}

void ReadPages(const source::MemorySource& source, bool keep_zero, PageBatch& batch) {
  BatchReader reader(source, keep_zero, batch);
  auto run = batch.plan().begin();
  while (run != batch.plan().end()) {
    if (!run->read) {
      reader.Tell(*run++);
      continue;
    }
    // Classes change from page to page; reading need not.
    PfnRange pages = run->pages;
    for (++run; run != batch.plan().end() && run->read && run->pages.start == pages.end; ++run)
      pages.end = run->pages.end;
    reader.Read(pages);
  }
}

}  // namespace hmem::capture
