// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/partial_read.h"

#include <algorithm>
#include <span>

namespace hmem::space {

uint64_t PartialRead::ReadableTo(uint64_t offset) const {
  auto hole = std::ranges::upper_bound(holes, offset, {}, &Hole::end);
  if (hole == holes.end()) return std::max<uint64_t>(offset, bytes.size());
  return std::max(offset, hole->start);
}

bool PartialRead::Covers(uint64_t offset, uint64_t n) const {
  return offset <= bytes.size() && n <= bytes.size() - offset && ReadableTo(offset) - offset >= n;
}

PartialRead ReadWithHoles(const VirtReader& memory, VirtAddr start, uint64_t bytes) {
  constexpr uint64_t kPage = 4096;
  PartialRead read;
  if (auto lent = memory.Borrow(start, bytes)) {
    read.bytes = *lent;
    return read;
  }
  auto copy = std::make_unique<std::vector<std::byte>>(bytes);
  std::span<std::byte> into(*copy);
  read.bytes = into;
  read.owned = std::move(copy);
  if (memory.Read(start, into)) return read;
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t n = std::min(kPage - (start.value + at) % kPage, bytes - at);
    auto piece = into.subspan(at, n);
    if (Status status = memory.Read(start + at, piece); !status) {
      std::ranges::fill(piece, std::byte{0});
      if (!read.error) read.error = std::move(status).error();
      if (!read.holes.empty() && read.holes.back().end == at) {
        read.holes.back().end = at + n;
      } else {
        read.holes.push_back({at, at + n});
      }
    }
    at += n;
  }
  return read;
}

}  // namespace hmem::space
