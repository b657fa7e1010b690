// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/region_cursor.h"

namespace hmem::capture {

RegionCursor::RegionCursor(PositionedSink& sink, uint64_t offset, size_t buffer_bytes)
    : sink_(sink), offset_(offset), buffer_bytes_(buffer_bytes) {
  buffer_.reserve(buffer_bytes);
}

Status RegionCursor::Append(std::span<const std::byte> bytes) {
  if (bytes.size() > room()) HMEM_TRY(WriteOut());
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return {};
}

Status RegionCursor::WriteOut() {
  if (buffer_.empty()) return {};
  HMEM_TRY(sink_.WriteAt(offset_, buffer_));
  offset_ += buffer_.size();
  buffer_.clear();
  return {};
}

}  // namespace hmem::capture
