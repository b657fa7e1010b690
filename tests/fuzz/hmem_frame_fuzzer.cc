// SPDX-License-Identifier: GPL-2.0-or-later
// Payloads of .hmem frames. Input: which (1), log2 of the page size (1), raw bytes (4), page count
// (4), first pfn (8), payload.
#include <cstdint>
#include <cstdlib>

#include "hmem/base/endian.h"
#include "hmem/format/hmem_frame.h"

namespace hmem::format {
namespace {

constexpr size_t kInputHeadBytes = 18;

void Require(bool good) {
  if (!good) std::abort();
}

void TryPages(const FrameHeader& header, uint32_t page_bytes, std::span<const std::byte> payload) {
  auto head = DecodePagesHead(header, page_bytes, payload);
  if (!head) return;
  uint64_t pages = 0, at = 0;
  for (const PageRun& run : head->runs) {
    Require(run.count != 0 && run.first >= at);
    at = uint64_t{run.first} + run.count;
    pages += run.count;
  }
  Require(at <= header.page_count && pages * page_bytes == header.raw_bytes);
  for (const BlockEntry& block : head->blocks)
    Require(uint64_t{block.offset} + block.stored_bytes <= payload.size());
}

void TryFate(const FrameHeader& header, std::span<const std::byte> payload) {
  auto runs = DecodeFate(header, payload);
  if (!runs) return;
  Require(runs->size() <= kMaxFateRuns);
  std::vector<std::byte> again = EncodeFate(*runs);
  Require(std::equal(again.begin(), again.end(), payload.begin(), payload.end()));
}

void TryChunk(const FrameHeader& header, std::span<const std::byte> payload) {
  auto chunk = DecodeChunk(header, payload);
  if (!chunk) return;
  Require(chunk->entries.size() <= kMaxFramesPerChunk && chunk->bytes <= kMaxChunkBytes);
  auto again = DecodeChunk(header, EncodeChunk(*chunk));
  Require(again && again->entries.size() == chunk->entries.size());
}

}  // namespace
}  // namespace hmem::format

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hmem;
  using namespace hmem::format;
  if (size < kInputHeadBytes) return 0;
  auto bytes = std::as_bytes(std::span(data, size));
  auto payload = bytes.subspan(kInputHeadBytes);
  if (payload.size() > kMaxPayloadBytes) return 0;
  FrameHeader header;
  header.stored_bytes = static_cast<uint32_t>(payload.size());
  header.raw_bytes = Load<uint32_t>(&bytes[2], Endian::kLittle);
  header.page_count = Load<uint32_t>(&bytes[6], Endian::kLittle);
  header.first_pfn = Load<uint64_t>(&bytes[10], Endian::kLittle);
  switch (data[0] % 3) {
    case 0:
      header.type = FrameType::kPages;
      TryPages(header, uint32_t{1} << data[1] % 21, payload);
      break;
    case 1:
      header.type = FrameType::kFate;
      TryFate(header, payload);
      break;
    default:
      header.type = FrameType::kChunk;
      TryChunk(header, payload);
      break;
  }
  return 0;
}
