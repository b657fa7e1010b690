// SPDX-License-Identifier: GPL-2.0-or-later
// A region of the dump that is filled front to back in small pieces: descriptors, program headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dumptools/capture/writer/positioned_sink.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class RegionCursor {
 public:
  // The region begins at `offset` of the dump. `sink` must outlive it. Memory: `buffer_bytes`.
  RegionCursor(PositionedSink& sink, uint64_t offset, size_t buffer_bytes);

  Status Append(std::span<const std::byte> bytes);
  // Gives the sink what it does not have yet. After a failure it may be called again.
  Status WriteOut();
  // Bytes that Append() takes without giving the sink anything.
  size_t room() const { return buffer_bytes_ - buffer_.size(); }

 private:
  PositionedSink& sink_;
  uint64_t offset_;  // of the buffer
  size_t buffer_bytes_;
  std::vector<std::byte> buffer_;
};

}  // namespace hmem::capture
