// SPDX-License-Identifier: GPL-2.0-or-later
// Pages of a file or device that small reads (tables, lists, strings) come back to. Direct-mapped;
// 256 KiB. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::source {

class BlockCache {
 public:
  static constexpr size_t kBlockBytes = 4096;
  // Larger reads gain nothing from a copy in between.
  static constexpr size_t kLargestRead = 1024;

  // Reads from `offset` on what there is, at most all of `out`; fewer only at the end.
  using Load = std::function<Result<size_t>(uint64_t offset, std::span<std::byte> out)>;

  explicit BlockCache(Load load) : load_(std::move(load)) {}

  // Fewer bytes than wanted only where the file ends.
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out);

 private:
  static constexpr size_t kBlocks = 64;
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  struct Slot {
    uint64_t number = kNone;
    std::vector<std::byte> bytes;
  };

  Result<std::span<const std::byte>> Get(uint64_t number);

  Load load_;
  std::array<Slot, kBlocks> slots_;
};

}  // namespace hmem::source
