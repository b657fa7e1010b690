// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fakes/fake_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace hmem::fakes {

using source::PageFate;
using source::PageFateRun;

void FakeSource::AddVmcoreinfo(std::string_view text) {
  AddNote("VMCOREINFO", 0, std::as_bytes(std::span(text)));
}

void FakeSource::AddNote(std::string name, uint32_t type, std::span<const std::byte> desc) {
  note_list.push_back({.name = std::move(name), .type = type, .desc = {desc.begin(), desc.end()}});
}

std::optional<std::span<const std::byte>> FakeSource::Borrow(PhysRange range) const {
  std::vector<std::byte> copy(range.size());
  if (!lends || !Read(range.start, copy)) return std::nullopt;
  return lent_.emplace_back(std::move(copy));
}

std::span<const PhysRange> FakeSource::ram() const {
  std::vector<PhysRange> ranges = memory.map().Ranges();
  ranges.insert(ranges.end(), extra_ram.begin(), extra_ram.end());
  std::sort(ranges.begin(), ranges.end());
  ram_.clear();
  for (const PhysRange& range : ranges) {
    if (!ram_.empty() && range.start <= ram_.back().end) {
      ram_.back().end = std::max(ram_.back().end, range.end);
    } else {
      ram_.push_back(range);
    }
  }
  return ram_;
}

PageFateRun FakeSource::FateFrom(Pfn pfn, uint64_t) const {
  PhysAddr addr(pfn.value * page_bytes());
  if (const Error* error = memory.map().FailureAt(addr)) {
    switch (error->code()) {
      case ErrorCode::kNotFound:
        return {PageFate::kHole};
      case ErrorCode::kExcluded:
        return {PageFate::kExcluded};
      case ErrorCode::kTruncated:
        return {PageFate::kNotReached};
      default:
        return {PageFate::kUnreadable};
    }
  }
  return {memory.map().Has(addr) ? PageFate::kPresent : PageFate::kHole};
}

Status FakeSource::Verify(Findings& findings) const {
  std::vector<std::byte> page(page_bytes());
  for (const PhysRange& range : ram()) {
    for (PhysAddr addr = range.start; addr < range.end; addr = addr + page_bytes()) {
      if (Status status = Read(addr, page); !status) {
        findings.Add(Severity::kLoss, "source.fake.unreadable",
                     fmt::format("phys {:#x}", addr.value), status.error().ToString());
      }
    }
  }
  return {};
}

Status TearingSource::Read(PhysAddr addr, std::span<std::byte> out) const {
  ++reads_;
  if (reads_ > reads_left_ || (every_ != 0 && reads_ % every_ == 0)) {
    return FailErrno(fmt::format("phys {:#x}: torn read", addr.value), EIO);
  }
  PhysAddr end = addr + out.size();
  if (end > cut_) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("phys {:#x}: behind the cut", std::max(addr, cut_).value));
  }
  for (const BadRange& bad : bad_) {
    if (addr < bad.range.end && end > bad.range.start) {
      return FailErrno(fmt::format("phys {:#x}: bad range", std::max(addr, bad.range.start).value),
                       bad.errno_value);
    }
  }
  HMEM_TRY(inner_.Read(addr, out));
  for (const PhysRange& range : inverted_) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (range.contains(addr + i)) out[i] = ~out[i];
    }
  }
  return {};
}

PageFateRun TearingSource::FateFrom(Pfn pfn, uint64_t most_pages) const {
  if (cut_.value == kNoCut && bad_.empty()) return inner_.FateFrom(pfn, most_pages);
  PageFate fate = inner_.FateOf(pfn);
  if (fate != PageFate::kPresent) return {fate};
  PhysAddr addr(pfn.value * page_bytes());
  PhysAddr end = addr + page_bytes();
  if (end > cut_) return {PageFate::kNotReached};
  for (const BadRange& bad : bad_) {
    if (addr < bad.range.end && end > bad.range.start) return {PageFate::kUnreadable};
  }
  return {fate};
}

}  // namespace hmem::fakes
