// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/extent_map.h"

#include <algorithm>
#include <queue>

namespace hmem::source {
namespace {

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

}  // namespace hmem::source
