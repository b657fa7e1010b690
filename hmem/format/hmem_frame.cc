// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/hmem_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "hmem/base/address.h"
#include "hmem/base/byte_reader.h"
#include "hmem/base/endian.h"
#include "hmem/format/crc32c.h"
#include "hmem/format/xxh3.h"

namespace hmem::format {
namespace {

template <typename T>
std::byte* Put(std::byte* p, T value) {
  Store(p, value, Endian::kLittle);
  return p + sizeof value;
}

template <typename T>
T Get(const std::byte* p) {
  return Load<T>(p, Endian::kLittle);
}

constexpr size_t kCrcOffset = 60;

}  // namespace

std::string DumpIdText(const DumpId& id) {
  std::string text;
  for (std::byte b : id) text += fmt::format("{:02x}", static_cast<unsigned>(b));
  return text;
}

Result<DumpId> ParseDumpId(std::string_view text) {
  auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  DumpId id{};
  bool good = text.size() == id.size() * 2;
  for (size_t i = 0; good && i < id.size(); ++i) {
    int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    good = high >= 0 && low >= 0;
    id[i] = static_cast<std::byte>(high * 16 + low);
  }
  if (!good)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("dump id \"{}\" is not 32 hexadecimal digits", text));
  return id;
}

std::string FrameTypeName(FrameType type) {
  switch (type) {
    case FrameType::kHeader:
      return "HEADER";
    case FrameType::kFirstFailure:
      return "FIRST_FAILURE";
    case FrameType::kNotes:
      return "NOTES";
    case FrameType::kPages:
      return "PAGES";
    case FrameType::kFate:
      return "FATE";
    case FrameType::kChunk:
      return "CHUNK";
    case FrameType::kKey:
      return "KEY";
    case FrameType::kPad:
      return "PAD";
    case FrameType::kEnd:
      return "END";
  }
  return fmt::format("type {}", static_cast<unsigned>(type));
}

uint64_t FrameHeader::total_bytes() const {
  return kFrameHeaderBytes + AlignUp(stored_bytes, kFrameAlign);
}

void EncodeFrameHeader(const FrameHeader& header, std::span<std::byte, kFrameHeaderBytes> out) {
  std::byte* p = std::copy(kFrameMagic.begin(), kFrameMagic.end(), out.data());
  p = Put(p, static_cast<uint16_t>(header.type));
  p = Put(p, header.flags);
  p = std::copy(header.dump_id.begin(), header.dump_id.end(), p);
  p = Put(p, header.sequence);
  p = Put(p, header.first_pfn);
  p = Put(p, header.payload_xxh3);
  p = Put(p, header.stored_bytes);
  p = Put(p, header.raw_bytes);
  p = Put(p, header.page_count);
  Put(p, Crc32c(out.first(kCrcOffset)));
}

Result<FrameHeader> DecodeFrameHeader(std::span<const std::byte> bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return Fail(ErrorCode::kTruncated, fmt::format("frame header: {} bytes wanted, {} left",
                                                   kFrameHeaderBytes, bytes.size()));
  }
  if (!std::equal(kFrameMagic.begin(), kFrameMagic.end(), bytes.begin())) {
    return Fail(ErrorCode::kNotFound, "no frame header");
  }
  uint32_t stored_crc = Get<uint32_t>(bytes.data() + kCrcOffset);
  uint32_t crc = Crc32c(bytes.first(kCrcOffset));
  if (crc != stored_crc) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("frame header: CRC {:#x}, expected {:#x}", crc, stored_crc));
  }
  const std::byte* p = bytes.data();
  FrameHeader header;
  header.type = static_cast<FrameType>(Get<uint16_t>(p + 4));
  header.flags = Get<uint16_t>(p + 6);
  std::copy_n(p + 8, header.dump_id.size(), header.dump_id.begin());
  header.sequence = Get<uint64_t>(p + 24);
  header.first_pfn = Get<uint64_t>(p + 32);
  header.payload_xxh3 = Get<uint64_t>(p + 40);
  header.stored_bytes = Get<uint32_t>(p + 48);
  header.raw_bytes = Get<uint32_t>(p + 52);
  header.page_count = Get<uint32_t>(p + 56);
  if (header.stored_bytes > kMaxPayloadBytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} frame: payload of {} bytes, at most {}", FrameTypeName(header.type),
                            header.stored_bytes, kMaxPayloadBytes));
  }
  uint64_t end;
  if (!CheckedAdd(header.first_pfn, header.page_count, &end)) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} frame: pfn {:#x} + {} pages wraps", FrameTypeName(header.type),
                            header.first_pfn, header.page_count));
  }
  return header;
}

uint64_t PayloadDigest(std::span<const std::byte> payload) {
  return FastestXxh3().hash64(payload.data(), payload.size());
}

uint64_t PagesHeadSize(size_t runs, size_t blocks) {
  return kPagesHeadBytes + runs * 8 + blocks * 4;
}

void EncodePagesHead(const PagesHead& head, std::span<std::byte> out) {
  std::byte* p = out.data();
  p = Put(p, static_cast<uint32_t>(head.runs.size()));
  p = Put(p, static_cast<uint32_t>(head.blocks.size()));
  p = Put(p, head.block_raw_bytes);
  p = Put(p, uint32_t{0});
  for (const PageRun& run : head.runs) p = Put(Put(p, run.first), run.count);
  for (const BlockEntry& block : head.blocks)
    p = Put(p, uint32_t{block.codec} << 24 | block.stored_bytes);
}

Result<PagesHead> DecodePagesHead(const FrameHeader& header, uint32_t page_bytes,
                                  std::span<const std::byte> payload) {
  if (header.stored_bytes < kPagesHeadBytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("PAGES: {} bytes, at least {}", header.stored_bytes, kPagesHeadBytes));
  }
  ByteReader reader(payload, Endian::kLittle, "PAGES");
  HMEM_ASSIGN(uint32_t runs, reader.U32());
  HMEM_ASSIGN(uint32_t blocks, reader.U32());
  PagesHead head;
  HMEM_ASSIGN(head.block_raw_bytes, reader.U32());
  HMEM_TRY(reader.Skip(4));
  uint64_t raw = header.raw_bytes;
  if (page_bytes == 0 || raw == 0 || raw % page_bytes != 0 ||
      raw > std::max<uint64_t>(kMaxPageBytesPerFrame, page_bytes)) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("PAGES: {} raw bytes with pages of {}", raw, page_bytes));
  }
  if (head.block_raw_bytes == 0 || head.block_raw_bytes % page_bytes != 0) {
    return Fail(ErrorCode::kCorrupt, fmt::format("PAGES: blocks of {} bytes with pages of {}",
                                                 head.block_raw_bytes, page_bytes));
  }
  uint64_t blocks_expected = (raw + head.block_raw_bytes - 1) / head.block_raw_bytes;
  if (blocks != blocks_expected || runs == 0 || runs > raw / page_bytes) {
    return Fail(ErrorCode::kCorrupt, fmt::format("PAGES: {} runs and {} blocks for {} pages", runs,
                                                 blocks, raw / page_bytes));
  }
  if (PagesHeadSize(runs, blocks) > header.stored_bytes) {
    return Fail(ErrorCode::kCorrupt, fmt::format("PAGES: {} runs and {} blocks in {} bytes", runs,
                                                 blocks, header.stored_bytes));
  }
  uint64_t pages = 0, at = 0;
  head.runs.reserve(runs);
  for (uint32_t i = 0; i < runs; ++i) {
    PageRun run;
    HMEM_ASSIGN(run.first, reader.U32());
    HMEM_ASSIGN(run.count, reader.U32());
    uint64_t end = uint64_t{run.first} + run.count;
    if (run.count == 0 || run.first < at || end > header.page_count) {
      return Fail(ErrorCode::kCorrupt, fmt::format("PAGES: run {}: pages {} to {} of {}", i,
                                                   run.first, end, header.page_count));
    }
    at = end;
    pages += run.count;
    head.runs.push_back(run);
  }
  if (pages * page_bytes != raw) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("PAGES: runs of {} pages, {} bytes of them", pages, raw));
  }
  uint64_t offset = PagesHeadSize(runs, blocks);
  head.blocks.reserve(blocks);
  for (uint32_t i = 0; i < blocks; ++i) {
    HMEM_ASSIGN(uint32_t word, reader.U32());
    BlockEntry block{.codec = static_cast<uint8_t>(word >> 24),
                     .stored_bytes = word & 0xffffff,
                     .offset = static_cast<uint32_t>(offset)};
    offset += block.stored_bytes;
    if (offset > header.stored_bytes) {
      return Fail(ErrorCode::kCorrupt, fmt::format("PAGES: block {} ends at {} of {} bytes", i,
                                                   offset, header.stored_bytes));
    }
    head.blocks.push_back(block);
  }
  if (offset != header.stored_bytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("PAGES: blocks end at {} of {} bytes", offset, header.stored_bytes));
  }
  return head;
}

std::vector<std::byte> EncodeFate(std::span<const FateRun> runs) {
  std::vector<std::byte> out(runs.size() * kFateRunBytes);
  std::byte* p = out.data();
  for (const FateRun& run : runs) {
    p = Put(p, run.first);
    p = Put(p, run.count);
    p = Put(p, static_cast<uint8_t>(run.fate));
    p = Put(p, run.page_class);
    p = Put(p, run.error_number);
  }
  return out;
}

Result<std::vector<FateRun>> DecodeFate(const FrameHeader& header,
                                        std::span<const std::byte> payload) {
  if (payload.size() % kFateRunBytes != 0) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("FATE: {} bytes are not whole runs", payload.size()));
  }
  if (payload.size() / kFateRunBytes > kMaxFateRuns) {
    return Fail(ErrorCode::kCorrupt, fmt::format("FATE: {} runs, at most {}",
                                                 payload.size() / kFateRunBytes, kMaxFateRuns));
  }
  std::vector<FateRun> runs;
  runs.reserve(payload.size() / kFateRunBytes);
  uint64_t at = 0;
  for (const std::byte* p = payload.data(); p != payload.data() + payload.size();
       p += kFateRunBytes) {
    FateRun run{.first = Get<uint32_t>(p),
                .count = Get<uint32_t>(p + 4),
                .fate = static_cast<StoredFate>(Get<uint8_t>(p + 8)),
                .page_class = Get<uint8_t>(p + 9),
                .error_number = Get<uint16_t>(p + 10)};
    uint64_t end = uint64_t{run.first} + run.count;
    if (run.count == 0 || run.first < at || end > header.page_count) {
      return Fail(ErrorCode::kCorrupt, fmt::format("FATE: run {}: pages {} to {} of {}",
                                                   runs.size(), run.first, end, header.page_count));
    }
    if (run.fate != StoredFate::kZero && run.fate != StoredFate::kExcluded &&
        run.fate != StoredFate::kUnreadable) {
      return Fail(ErrorCode::kCorrupt, fmt::format("FATE: run {}: fate {}", runs.size(),
                                                   static_cast<unsigned>(run.fate)));
    }
    at = end;
    runs.push_back(run);
  }
  return runs;
}

std::vector<std::byte> EncodeChunk(const Chunk& chunk) {
  std::vector<std::byte> out(kChunkHeadBytes + chunk.entries.size() * kChunkEntryBytes);
  std::byte* p = out.data();
  p = Put(p, chunk.number);
  p = Put(p, chunk.offset);
  p = Put(p, chunk.bytes);
  p = Put(p, chunk.previous);
  p = std::copy(chunk.digest.begin(), chunk.digest.end(), p);
  p += 16;  // room for SHA-256
  p = Put(p, static_cast<uint32_t>(chunk.entries.size()));
  p = Put(p, chunk.tier);
  p = Put(p, uint64_t{0});
  for (const ChunkEntry& entry : chunk.entries) {
    p = Put(p, entry.offset);
    p = Put(p, static_cast<uint16_t>(entry.type));
    p = Put(p, entry.flags);
    p = Put(p, entry.first_pfn);
    p = Put(p, entry.page_count);
    p = Put(p, entry.stored_bytes);
    p = Put(p, entry.raw_bytes);
    p = Put(p, uint32_t{0});
  }
  return out;
}

Result<Chunk> DecodeChunk(const FrameHeader& header, std::span<const std::byte> payload) {
  if (payload.size() < kChunkHeadBytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} bytes, at least {}", FrameTypeName(header.type), payload.size(),
                            kChunkHeadBytes));
  }
  const std::byte* p = payload.data();
  Chunk chunk;
  chunk.number = Get<uint64_t>(p);
  chunk.offset = Get<uint64_t>(p + 8);
  chunk.bytes = Get<uint64_t>(p + 16);
  chunk.previous = Get<uint64_t>(p + 24);
  std::copy_n(p + 32, chunk.digest.size(), chunk.digest.begin());
  uint32_t entries = Get<uint32_t>(p + 64);
  chunk.tier = Get<uint32_t>(p + 68);
  if (entries > kMaxFramesPerChunk ||
      payload.size() != kChunkHeadBytes + entries * kChunkEntryBytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("CHUNK: {} frames in {} bytes", entries, payload.size()));
  }
  if (chunk.bytes > kMaxChunkBytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("CHUNK: {} bytes, at most {}", chunk.bytes, kMaxChunkBytes));
  }
  uint64_t at = 0;
  p += kChunkHeadBytes;
  chunk.entries.reserve(entries);
  for (uint32_t i = 0; i < entries; ++i, p += kChunkEntryBytes) {
    ChunkEntry entry{.offset = Get<uint32_t>(p),
                     .type = static_cast<FrameType>(Get<uint16_t>(p + 4)),
                     .flags = Get<uint16_t>(p + 6),
                     .first_pfn = Get<uint64_t>(p + 8),
                     .page_count = Get<uint32_t>(p + 16),
                     .stored_bytes = Get<uint32_t>(p + 20),
                     .raw_bytes = Get<uint32_t>(p + 24)};
    uint64_t end = entry.offset + kFrameHeaderBytes + AlignUp(entry.stored_bytes, kFrameAlign);
    uint64_t last_pfn;
    if (entry.offset != at || end > chunk.bytes ||
        !CheckedAdd(entry.first_pfn, entry.page_count, &last_pfn)) {
      return Fail(ErrorCode::kCorrupt, fmt::format("CHUNK: frame {}: bytes {} to {} of {}", i,
                                                   entry.offset, end, chunk.bytes));
    }
    at = end;
    chunk.entries.push_back(entry);
  }
  if (at != chunk.bytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("CHUNK: frames end at {} of {} bytes", at, chunk.bytes));
  }
  return chunk;
}

ChunkDigest::ChunkDigest() : state_(FastestXxh3().create128()) {
  if (state_ == nullptr) throw std::bad_alloc();
  Reset();
}
ChunkDigest::~ChunkDigest() { FastestXxh3().free128(state_); }
void ChunkDigest::Reset() { FastestXxh3().reset128(state_); }
void ChunkDigest::Update(std::span<const std::byte> bytes) {
  FastestXxh3().update128(state_, bytes.data(), bytes.size());
}
std::array<std::byte, 16> ChunkDigest::Finish() const {
  std::array<std::byte, 16> out;
  FastestXxh3().digest128(state_, out.data());
  return out;
}

}  // namespace hmem::format
