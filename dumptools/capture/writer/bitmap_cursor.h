// SPDX-License-Identifier: GPL-2.0-or-later
// A page bitmap that is filled front to back, lowest bit of a byte first. Memory: 64 KiB, whatever
// the bitmap's size. Stretches without a bit are not written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dumptools/capture/writer/positioned_sink.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class BitmapCursor {
 public:
  // Bit 0 is in the byte at `offset` of the dump. `sink` must outlive it.
  BitmapCursor(PositionedSink& sink, uint64_t offset);

  // Sets [first, end). `first` is never below what an earlier call set.
  Status Set(uint64_t first, uint64_t end);
  // Gives the sink what it does not have yet. After a failure it may be called again.
  Status WriteOut();

 private:
  PositionedSink& sink_;
  uint64_t offset_;
  uint64_t window_ = 0;  // number of the window in the buffer
  std::vector<std::byte> buffer_;
  size_t dirty_start_ = 0, dirty_end_ = 0;  // bytes of the buffer that the sink does not have
};

}  // namespace hmem::capture
