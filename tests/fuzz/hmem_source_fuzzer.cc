// SPDX-License-Identifier: GPL-2.0-or-later
// No mutation keeps CRC and digest of a frame right, so they are put right before the dump is
// opened: what lies behind them is reached. The lowest bit of the last byte leaves all as it is.
#include <algorithm>
#include <vector>

#include "hmem/base/endian.h"
#include "hmem/format/crc32c.h"
#include "hmem/format/hmem_frame.h"
#include "tests/fuzz/source_input.h"

namespace hmem::fuzz {
namespace {

// As docs/formats/hmem.md has them.
constexpr size_t kDigestOffset = 40;
constexpr size_t kStoredBytesOffset = 48;
constexpr size_t kCrcOffset = 60;

// From the last frame to the first: one may lie inside the payload of another.
void Reseal(std::span<std::byte> bytes) {
  if (bytes.size() < format::kFrameHeaderBytes) return;
  size_t at =
      (bytes.size() - format::kFrameHeaderBytes) / format::kFrameAlign * format::kFrameAlign;
  for (;; at -= format::kFrameAlign) {
    auto frame = bytes.subspan(at);
    if (std::equal(format::kFrameMagic.begin(), format::kFrameMagic.end(), frame.begin())) {
      auto stored = Load<uint32_t>(frame.data() + kStoredBytesOffset, Endian::kLittle);
      if (stored <= frame.size() - format::kFrameHeaderBytes) {
        auto payload = frame.subspan(format::kFrameHeaderBytes, stored);
        Store(frame.data() + kDigestOffset, format::PayloadDigest(payload), Endian::kLittle);
      }
      Store(frame.data() + kCrcOffset, format::Crc32c(frame.first(kCrcOffset)), Endian::kLittle);
    }
    if (at == 0) return;
  }
}

}  // namespace
}  // namespace hmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  if (size != 0 && (bytes.back() & 1) == 0)
    hmem::fuzz::Reseal(std::as_writable_bytes(std::span(bytes)));
  hmem::fuzz::ExerciseSource(bytes);
  return 0;
}
