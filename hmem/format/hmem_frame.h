// SPDX-License-Identifier: GPL-2.0-or-later
// The .hmem layout: frames, what PAGES, FATE and CHUNK carry. Reader and writer share it;
// docs/formats/hmem.md is the same in words. All integers little-endian. HEADER, FIRST_FAILURE and
// END carry protobuf messages (proto/hmem/v1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::format {

inline constexpr uint32_t kHmemFormatVersion = 1;
inline constexpr std::array<std::byte, 4> kFrameMagic = {std::byte{0x89}, std::byte{'H'},
                                                         std::byte{'M'}, std::byte{'F'}};
inline constexpr uint64_t kFrameHeaderBytes = 64;
inline constexpr uint64_t kFrameAlign = 64;
// Where O_DIRECT or an early flush needs it, PAD frames bring the file to this.
inline constexpr uint64_t kFlushAlign = 4096;
inline constexpr uint64_t kMaxPayloadBytes = 2 << 20;
inline constexpr uint64_t kMaxPageBytesPerFrame = 1 << 20;  // raw
inline constexpr uint64_t kBlockRawBytes = 64 << 10;        // or one page where pages are larger
inline constexpr uint64_t kMaxChunkBytes = 16 << 20;
inline constexpr uint32_t kMaxFramesPerChunk = 1024;
inline constexpr uint32_t kMaxFateRuns = 4096;
inline constexpr uint64_t kNoOffset = ~uint64_t{0};

using DumpId = std::array<std::byte, 16>;

std::string DumpIdText(const DumpId& id);  // 32 hexadecimal digits
Result<DumpId> ParseDumpId(std::string_view text);

enum class FrameType : uint16_t {
  kHeader = 1,        // DumpHeader; the first frame
  kFirstFailure = 2,  // FirstFailure
  kNotes = 3,         // the next piece of the ELF note stream of the crashed kernel
  kPages = 4,
  kFate = 5,
  kChunk = 6,
  kKey = 7,  // reserved for encryption
  kPad = 8,  // zeros
  kEnd = 9,  // DumpEnd; the last frame
};

// "PAGES"; "type 77" for one that this build does not know.
std::string FrameTypeName(FrameType type);

struct FrameHeader {
  FrameType type = FrameType::kPad;
  uint16_t flags =
      0;  // none defined; a reader skips the payload of a frame with a flag it does not know
  DumpId dump_id{};
  uint64_t sequence = 0;  // see MakeSequence
  uint64_t first_pfn =
      0;  // PAGES, FATE: the frame speaks of pfns [first_pfn, first_pfn + page_count)
  uint64_t payload_xxh3 = 0;  // XXH3-64 of the payload as stored, without padding
  uint32_t stored_bytes = 0;  // payload, without padding
  uint32_t raw_bytes = 0;     // PAGES: bytes of pages in it; others: stored_bytes
  uint32_t page_count = 0;

  uint64_t total_bytes() const;  // header, payload, padding
};

// Attempt in the top 16 bits: a restarted capture overwrites the one before, whose frames may still
// follow behind a cut.
constexpr uint64_t MakeSequence(uint16_t attempt, uint64_t number) {
  return uint64_t{attempt} << 48 | number;
}
constexpr uint16_t SequenceAttempt(uint64_t sequence) {
  return static_cast<uint16_t>(sequence >> 48);
}
constexpr uint64_t SequenceNumber(uint64_t sequence) {
  return sequence & ((uint64_t{1} << 48) - 1);
}

constexpr uint64_t AlignUp(uint64_t value, uint64_t align) {
  return (value + align - 1) / align * align;
}

void EncodeFrameHeader(const FrameHeader& header, std::span<std::byte, kFrameHeaderBytes> out);
// kNotFound: no frame magic here. kCorrupt: magic, but CRC or a size is wrong. kTruncated: fewer
// than 64 bytes.
Result<FrameHeader> DecodeFrameHeader(std::span<const std::byte> bytes);

uint64_t PayloadDigest(std::span<const std::byte> payload);

// --- PAGES: u32 runs, u32 blocks, u32 block raw bytes, u32 zero; runs x {u32 first, u32 count}
// relative to first_pfn, ascending and disjoint; blocks x u32 (codec id << 24 | stored bytes); the
// stored blocks back to back.
struct PageRun {
  uint32_t first = 0;
  uint32_t count = 0;
};
struct BlockEntry {
  uint8_t codec = 0;
  uint32_t stored_bytes = 0;
  uint32_t offset = 0;  // within the payload; derived
};
struct PagesHead {
  uint32_t block_raw_bytes = 0;
  std::vector<PageRun> runs;
  std::vector<BlockEntry> blocks;
};
inline constexpr uint64_t kPagesHeadBytes = 16;

// Bytes in front of the blocks.
uint64_t PagesHeadSize(size_t runs, size_t blocks);
void EncodePagesHead(const PagesHead& head, std::span<std::byte> out);
// Checks every count and sum against the frame header. `payload` may be a prefix that holds the
// whole head; kTruncated where it does not, kCorrupt where the whole payload does not.
Result<PagesHead> DecodePagesHead(const FrameHeader& header, uint32_t page_bytes,
                                  std::span<const std::byte> payload);

// --- FATE: runs x {u32 first, u32 count, u8 fate, u8 class, u16 errno}, ascending and disjoint.
enum class StoredFate : uint8_t { kZero = 1, kExcluded = 2, kUnreadable = 3 };
struct FateRun {
  uint32_t first = 0;
  uint32_t count = 0;
  StoredFate fate = StoredFate::kZero;
  uint8_t page_class = 0;     // kExcluded: index into DumpHeader.excluded_classes
  uint16_t error_number = 0;  // kUnreadable: Linux errno
};
inline constexpr uint64_t kFateRunBytes = 12;

std::vector<std::byte> EncodeFate(std::span<const FateRun> runs);
Result<std::vector<FateRun>> DecodeFate(const FrameHeader& header,
                                        std::span<const std::byte> payload);

// --- CHUNK: closes the frames since the CHUNK before.
struct ChunkEntry {
  uint32_t offset = 0;  // from the chunk's first byte
  FrameType type = FrameType::kPad;
  uint16_t flags = 0;
  uint64_t first_pfn = 0;
  uint32_t page_count = 0;
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;
};
struct Chunk {
  uint64_t number = 0;                 // from 0
  uint64_t offset = 0;                 // file offset of its first frame
  uint64_t bytes = 0;                  // up to its CHUNK frame
  uint64_t previous = kNoOffset;       // file offset of the CHUNK frame before
  std::array<std::byte, 16> digest{};  // XXH3-128 (canonical, big-endian) of those bytes
  uint32_t tier = 0;
  std::vector<ChunkEntry> entries;
};
inline constexpr uint64_t kChunkHeadBytes = 80;
inline constexpr uint64_t kChunkEntryBytes = 32;

std::vector<std::byte> EncodeChunk(const Chunk& chunk);
Result<Chunk> DecodeChunk(const FrameHeader& header, std::span<const std::byte> payload);

// XXH3-128 of a stream, in canonical form.
class ChunkDigest {
 public:
  ChunkDigest();
  ~ChunkDigest();
  ChunkDigest(const ChunkDigest&) = delete;
  ChunkDigest& operator=(const ChunkDigest&) = delete;
  void Reset();
  void Update(std::span<const std::byte> bytes);
  std::array<std::byte, 16> Finish() const;

 private:
  void* state_;
};

}  // namespace hmem::format
