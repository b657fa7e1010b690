// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/block_cache.h"

#include <algorithm>

namespace hmem::source {

Result<size_t> BlockCache::Read(uint64_t offset, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    HMEM_ASSIGN(std::span<const std::byte> block, Get((offset + done) / kBlockBytes));
    uint64_t at = (offset + done) % kBlockBytes;
    if (at >= block.size()) break;
    size_t n = std::min<size_t>(block.size() - at, out.size() - done);
    std::copy_n(block.begin() + static_cast<ptrdiff_t>(at), n,
                out.begin() + static_cast<ptrdiff_t>(done));
    done += n;
  }
  return done;
}

Result<std::span<const std::byte>> BlockCache::Get(uint64_t number) {
  Slot& slot = slots_[number % kBlocks];
  if (slot.number != number) {
    slot.number = kNone;
    slot.bytes.resize(kBlockBytes);
    HMEM_ASSIGN(size_t n, load_(number * kBlockBytes, slot.bytes));
    slot.bytes.resize(n);
    slot.number = number;
  }
  return slot.bytes;
}

}  // namespace hmem::source
