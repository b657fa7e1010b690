// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/extent_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <queue>

namespace hmem::source {
namespace {

constexpr uint64_t kAllOnes = std::numeric_limits<uint64_t>::max();
constexpr size_t kVerifyBytes = 1 << 20;

// True when `b` is the better of two pieces that cover the same address.
bool Better(const Extent& a, const Extent& b) {
  if (a.kind != b.kind) return b.kind < a.kind;
  if (a.phys.size() != b.phys.size()) return b.phys.size() > a.phys.size();
  return b.phys.start < a.phys.start;
}

// True when `next` only goes on with `last`.
bool Continues(const Extent& last, const Extent& next) {
  if (last.phys.end != next.phys.start || last.kind != next.kind) return false;
  if (last.kind != ExtentKind::kData && last.kind != ExtentKind::kTruncated) return true;
  return last.file_offset + last.phys.size() == next.file_offset;
}

// One range page by page, after it failed as a whole.
void VerifyPages(const MemorySource& source, PhysRange range, std::span<std::byte> buffer,
                 std::string_view id, Findings& findings) {
  const uint64_t page_bytes = source.page_bytes();
  for (PhysAddr addr = range.start; addr < range.end;) {
    uint64_t page_end = (addr.value / page_bytes + 1) * page_bytes;
    PhysRange page{addr, std::min(PhysAddr(page_end), range.end)};
    if (Status status = source.Read(addr, buffer.first(page.size())); !status) {
      bool cut = status.error().code() == ErrorCode::kTruncated;
      findings.Add(Severity::kLoss, fmt::format("{}.{}", id, cut ? "short" : "unreadable"),
                   fmt::format("phys {:#x}-{:#x}", page.start.value, page.end.value),
                   status.error().ToString());
    }
    addr = page.end;
  }
}

}  // namespace

ExtentMap::ExtentMap(std::vector<Extent> pieces) {
  std::erase_if(pieces, [](const Extent& e) { return e.phys.empty(); });
  std::sort(pieces.begin(), pieces.end(),
            [](const Extent& a, const Extent& b) { return a.phys.start < b.phys.start; });
  std::vector<PhysAddr> edges;
  edges.reserve(2 * pieces.size());
  for (const Extent& piece : pieces) {
    edges.push_back(piece.phys.start);
    edges.push_back(piece.phys.end);
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());

  // From edge to edge with the pieces that cover the stretch in a heap, the best on top; pieces
  // that ended are dropped when they come up.
  auto worse = [&](size_t a, size_t b) { return Better(pieces[a], pieces[b]); };
  std::priority_queue<size_t, std::vector<size_t>, decltype(worse)> covering(worse);
  size_t next = 0;
  for (size_t i = 0; i + 1 < edges.size(); ++i) {
    while (next < pieces.size() && pieces[next].phys.start == edges[i]) covering.push(next++);
    while (!covering.empty() && pieces[covering.top()].phys.end <= edges[i]) covering.pop();
    if (covering.empty()) continue;
    const Extent& piece = pieces[covering.top()];
    Extent extent{.phys = {edges[i], edges[i + 1]}, .kind = piece.kind, .file_offset = 0};
    if (piece.kind == ExtentKind::kData || piece.kind == ExtentKind::kTruncated) {
      extent.file_offset = piece.file_offset + (edges[i] - piece.phys.start);
    }
    if (!extents_.empty() && Continues(extents_.back(), extent)) {
      extents_.back().phys.end = extent.phys.end;
    } else {
      extents_.push_back(extent);
    }
  }
}

const Extent* ExtentMap::Find(PhysAddr addr) const {
  auto it = std::upper_bound(extents_.begin(), extents_.end(), addr,
                             [](PhysAddr a, const Extent& e) { return a < e.phys.end; });
  return it != extents_.end() && it->phys.contains(addr) ? &*it : nullptr;
}

std::span<const Extent> ExtentMap::Touching(PhysRange range) const {
  auto first = std::upper_bound(extents_.begin(), extents_.end(), range.start,
                                [](PhysAddr a, const Extent& e) { return a < e.phys.end; });
  auto last = std::lower_bound(first, extents_.end(), range.end,
                               [](const Extent& e, PhysAddr a) { return e.phys.start < a; });
  return {first, last};
}

std::vector<PhysRange> ExtentMap::Ranges() const {
  std::vector<PhysRange> ranges;
  for (const Extent& extent : extents_) {
    if (!ranges.empty() && ranges.back().end == extent.phys.start) {
      ranges.back().end = extent.phys.end;
    } else {
      ranges.push_back(extent.phys);
    }
  }
  return ranges;
}

PageFateRun ExtentMap::FateFrom(Pfn pfn, uint64_t most_pages, uint32_t page_bytes) const {
  uint64_t start;
  if (!CheckedMul(pfn.value, page_bytes, &start) || start > kAllOnes - page_bytes)
    return {PageFate::kHole, most_pages};
  PhysRange page{PhysAddr(start), PhysAddr(start + page_bytes)};
  auto touching = Touching(page);
  if (touching.empty()) {
    auto behind = Touching({page.end, PhysAddr(kAllOnes)});
    if (behind.empty()) return {PageFate::kHole, most_pages};
    uint64_t pages = behind.front().phys.start.value / page_bytes - pfn.value;
    return {PageFate::kHole, std::min(pages, most_pages)};
  }
  // A page of several pieces stands for itself; one piece speaks for all whole pages in it.
  uint64_t pages = std::max<uint64_t>((touching.front().phys.end - page.start) / page_bytes, 1);
  if (touching.size() > 1) pages = 1;
  pages = std::min(pages, most_pages);
  bool data = false;
  bool excluded = false;
  for (const Extent& extent : touching) {
    if (extent.kind == ExtentKind::kTruncated) return {PageFate::kNotReached, pages};
    data |= extent.kind == ExtentKind::kData;
    excluded |= extent.kind == ExtentKind::kExcluded;
  }
  if (excluded) return {PageFate::kExcluded, pages};
  return {data ? PageFate::kPresent : PageFate::kHole, pages};
}

void AddPadding(PhysRange range, uint32_t page_bytes, std::vector<Extent>& pieces) {
  pieces.push_back({.phys = {PhysAddr(range.start.value / page_bytes * page_bytes), range.start},
                    .kind = ExtentKind::kPadding});
  uint64_t behind = (range.end.value + page_bytes - 1) / page_bytes * page_bytes;
  pieces.push_back({.phys = {range.end, PhysAddr(behind)}, .kind = ExtentKind::kPadding});
}

void VerifyExtents(const MemorySource& source, const ExtentMap& extents, std::string_view id,
                   Findings& findings) {
  std::vector<std::byte> buffer(std::max<size_t>(kVerifyBytes, source.page_bytes()));
  for (const Extent& extent : extents.all()) {
    if (extent.kind != ExtentKind::kData) continue;
    for (PhysAddr addr = extent.phys.start; addr < extent.phys.end;) {
      PhysRange step{addr, std::min(addr + kVerifyBytes, extent.phys.end)};
      if (!source.Read(step.start, std::span(buffer).first(step.size())))
        VerifyPages(source, step, buffer, id, findings);
      addr = step.end;
    }
  }
}

}  // namespace hmem::source
