// SPDX-License-Identifier: GPL-2.0-or-later
// Finds one page in an indexed .hmem dump. Memory: the decoded heads of kHeads frames and kBlocks
// unpacked blocks. Not thread-safe: it caches.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "hmem/source/hmem_index.h"
#include "hmem/source/lru_cache.h"
#include "hmem/source/memory_source.h"

namespace hmem::source {

// What the dump says of one page, and of those behind it.
struct PageLocation {
  PageFate fate = PageFate::kNotReached;
  uint64_t pages = 1;          // from this one on, of which the dump says the same
  bool zero = false;           // kPresent without bytes
  uint8_t page_class = 0;      // kExcluded
  uint16_t error_number = 0;   // kUnreadable
  size_t frame = 0;            // kPresent with bytes: index into HmemIndex::frames
  uint32_t page_in_frame = 0;  // counted in pages held
  std::optional<Error> error;  // kDamaged: what is wrong
};

class HmemPages {
 public:
  static constexpr size_t kHeads = 512;
  static constexpr size_t kBlocks = 128;
  // Frames that may speak of one page (a writer makes a few: PAGES, FATE, tiers), and frames walked
  // over to find them. A dump that was made to overlap everywhere costs no more.
  static constexpr size_t kMaxOverlap = 64;
  static constexpr size_t kMaxWalk = 4096;

  // Both must outlive it.
  HmemPages(const HmemFile& file, const HmemIndex& index);

  // Holes are not told apart from what was not reached. kDamaged when the frame that speaks of
  // `pfn` is: error kCorrupt, kIo, or kLimit where too many frames overlap.
  PageLocation Locate(Pfn pfn) const;
  // The bytes of a page that is present and not zero; good until the next call.
  Result<std::span<const std::byte>> Bytes(const PageLocation& location) const;

 private:
  struct Head {
    format::FrameHeader header;
    std::variant<format::PagesHead, std::vector<format::FateRun>> content;
  };

  // What is known of a frame's payload.
  enum class Payload : uint8_t { kUnknown, kGood, kBad };

  Result<const Head*> HeadOf(size_t frame) const;
  Result<Head> ReadHead(size_t frame) const;

  const HmemFile* file_;
  const HmemIndex* index_;
  mutable std::vector<Payload> payloads_;  // by frame; a bad one is not read again
  mutable LruCache<size_t, Head> heads_;
  mutable LruCache<uint64_t, std::vector<std::byte>> blocks_;  // frame << 10 | block
};

// Unpacks block number `block` of a PAGES frame; `stored` is that block as it lies in the payload.
Result<std::vector<std::byte>> UnpackBlock(const format::FrameHeader& header,
                                           const format::PagesHead& head, size_t block,
                                           std::span<const std::byte> stored);

}  // namespace hmem::source
