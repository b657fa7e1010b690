// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/bitmap_cursor.h"

#include <algorithm>
#include <span>

namespace hmem::capture {
namespace {

constexpr uint64_t kWindowBytes = 64 << 10;
constexpr uint64_t kWindowBits = kWindowBytes * 8;

// Bits [first, end) of the window.
void SetBits(std::span<std::byte> window, uint64_t first, uint64_t end) {
  while (first < end && first % 8 != 0) {
    window[first / 8] |= std::byte{1} << static_cast<int>(first % 8);
    ++first;
  }
  if (first + 8 <= end) {
    uint64_t whole = end / 8;
    std::fill(window.begin() + static_cast<ptrdiff_t>(first / 8),
              window.begin() + static_cast<ptrdiff_t>(whole), std::byte{0xff});
    first = whole * 8;
  }
  for (; first < end; ++first) window[first / 8] |= std::byte{1} << static_cast<int>(first % 8);
}

}  // namespace

BitmapCursor::BitmapCursor(PositionedSink& sink, uint64_t offset)
    : sink_(sink), offset_(offset), buffer_(kWindowBytes) {}

Status BitmapCursor::Set(uint64_t first, uint64_t end) {
  while (first < end) {
    if (first / kWindowBits != window_) {
      HMEM_TRY(WriteOut());
      std::fill(buffer_.begin(), buffer_.end(), std::byte{0});
      window_ = first / kWindowBits;
    }
    const uint64_t start = first % kWindowBits;
    const uint64_t bits = std::min(end - first, kWindowBits - start);
    SetBits(buffer_, start, start + bits);
    if (dirty_start_ == dirty_end_) dirty_start_ = start / 8;
    dirty_end_ = (start + bits + 7) / 8;
    first += bits;
  }
  return {};
}

Status BitmapCursor::WriteOut() {
  if (dirty_start_ == dirty_end_) return {};
  HMEM_TRY(sink_.WriteAt(offset_ + window_ * kWindowBytes + dirty_start_,
                         std::span(buffer_).first(dirty_end_).subspan(dirty_start_)));
  dirty_start_ = dirty_end_ = 0;
  return {};
}

}  // namespace hmem::capture
