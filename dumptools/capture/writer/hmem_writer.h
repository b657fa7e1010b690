// SPDX-License-Identifier: GPL-2.0-or-later
// Emits an .hmem stream: frames into chunks, chunks into large aligned writes. Layout:
// hmem/format/hmem_frame.h. Large payloads go to the sink from where they lie, all but what is not
// aligned. Memory: one write buffer (kWriteBytes) and the mini-index of the open chunk, whatever
// the dump's size.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dumptools/capture/writer/dump_sink.h"
#include "hmem/base/result.h"
#include "hmem/format/hmem_frame.h"
#include "hmem/v1/dump.pb.h"

namespace hmem::capture {

// Where a stream that is already there goes on: behind a closed chunk.
struct StreamPosition {
  uint64_t offset = 0;                             // file offset of the next frame
  uint64_t next_number = 0;                        // of the next frame
  uint64_t next_chunk = 0;                         // number of the next chunk
  uint64_t last_chunk_offset = format::kNoOffset;  // of the last CHUNK frame
};

struct HmemWriterOptions {
  format::DumpId dump_id{};
  uint16_t attempt = 1;
  uint64_t chunk_bytes_max = 8 << 20;
  // The stream ends before it grows past this; closing frames included.
  uint64_t max_bytes = ~uint64_t{0};
  StreamPosition start;
};

class HmemWriter {
 public:
  static constexpr uint64_t kWriteBytes = 1 << 20;
  // Kept free behind every frame so that CHUNK, END and padding still fit when the target is full.
  static constexpr uint64_t kClosingBytes = 192 << 10;
  // A serialised END that is larger loses its findings.
  static constexpr uint64_t kMaxEndBytes = 48 << 10;

  // `sink` must outlive it.
  HmemWriter(DumpSink& sink, const HmemWriterOptions& options);

  // kIo with ENOSPC: the target is full; kLimit: max_bytes. In both cases nothing of the frame was
  // written and Finish() still makes a valid, shorter dump. Any other failure is of the target
  // itself: it is returned from then on, and what is durable stays valid without END.
  Status AppendHeader(const v1::DumpHeader& header);
  Status AppendFirstFailure(std::span<const std::byte> record);
  // The ELF note stream, split over as many frames as it needs.
  Status AppendNotes(std::span<const std::byte> notes);
  // `payload` is PagesHead and blocks, `payload_xxh3` its PayloadDigest, which workers compute; the
  // pfns spoken of are [first_pfn, first_pfn + page_count).
  Status AppendPages(uint64_t first_pfn, uint32_t page_count, uint32_t raw_bytes,
                     std::span<const std::byte> payload, uint64_t payload_xxh3);
  Status AppendFate(uint64_t first_pfn, uint32_t page_count, std::span<const format::FateRun> runs);

  // Frames from here on are of this tier: a chunk holds frames of one.
  Status BeginTier(uint32_t tier);
  uint32_t tier() const { return chunk_.tier; }

  // Ends the chunk so that the stream is a multiple of kFlushAlign long, writes everything out and
  // waits until it is durable: what comes later shares no block of a device with it.
  Status Flush();
  // Flush(), then END with the stream's own totals filled in, and durable again.
  Status Finish(v1::DumpEnd end);

  // Bytes of the stream so far, those still in the buffer included.
  uint64_t offset() const { return offset_; }
  StreamPosition position() const;

 private:
  // With the payload's digest filled in.
  Status Append(format::FrameHeader header, std::span<const std::byte> payload);
  // With the digest that the header has.
  Status AppendFrame(const format::FrameHeader& header, std::span<const std::byte> payload);
  Status MakeRoom(uint64_t bytes);
  Status CloseChunk();
  // A PAD that ends, `bytes_behind` more included, at a multiple of kFlushAlign. Always one: of a
  // whole kFlushAlign where nothing is missing.
  Status Pad(uint64_t bytes_behind);
  // Without looking at room or chunk limits.
  Status Emit(format::FrameHeader header, std::span<const std::byte> payload);
  Status Put(std::span<const std::byte> bytes);
  Status WriteOut();
  // Remembers the first failure of the sink: nothing may be appended behind a piece that is
  // missing.
  Status Checked(Status status);

  DumpSink* sink_;
  HmemWriterOptions options_;
  std::vector<std::byte> buffer_;
  uint64_t offset_;
  uint64_t reserved_until_;
  uint64_t next_number_;
  uint64_t stored_bytes_ = 0;
  uint64_t raw_bytes_ = 0;
  format::Chunk chunk_;  // the open one
  format::ChunkDigest digest_;
  std::optional<Error> failed_;
};

// kIo with ENOSPC, or kLimit: the stream can still be closed properly.
bool IsOutOfRoom(const Error& error);

}  // namespace hmem::capture
