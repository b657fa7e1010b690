// SPDX-License-Identifier: GPL-2.0-or-later
// Mapped windows of a file or device whose pages may turn out not to be readable. Safe from several
// threads, which copy at the same time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hmem/base/file_mapping.h"
#include "hmem/base/result.h"

namespace hmem::source {

class WindowCache {
 public:
  // Maps `bytes` bytes at `offset`, both multiples of the host's page size.
  using Map = std::function<Result<FileMapping>(uint64_t offset, size_t bytes)>;

  // What can be mapped around an offset: from a page boundary to anywhere.
  struct Bounds {
    uint64_t start = 0;
    uint64_t end = 0;
  };

  // `name` is for errors. A mapping has at most `window_bytes`, rounded to pages.
  WindowCache(uint64_t window_bytes, std::string name, Map map);

  // Copies what one window holds of [offset, offset + out.size()); 0: not mapped, read it
  // otherwise. `offset` lies in `bounds`. Setting a window up costs as much as hundreds of
  // page-wise reads, so it waits until one is wanted for a large read or several times running: a
  // walk that jumps about memory gets no windows. kIo, EIO: a page of it cannot be read. That is
  // for good: such a page is not touched again, least of all by the kernel, which a memory error in
  // pread(2) would take down.
  Result<size_t> Copy(uint64_t offset, std::span<std::byte> out, Bounds bounds);

  // What is in a mapping of its own, which stays as long as the cache. `offset` and all of `bytes`
  // lie in `bounds`. Gone over once: nothing where some of it cannot be read or be mapped, nor when
  // enough was lent.
  std::optional<std::span<const std::byte>> Lend(uint64_t offset, uint64_t bytes, Bounds bounds);

  // Up to the end of the window that holds `offset`, bounds or not. Whoever reads otherwise what
  // was not mapped stays in there: no further has Copy() looked for pages that cannot be read.
  uint64_t BytesLeft(uint64_t offset) const { return window_bytes_ - offset % window_bytes_; }

  // The first page in [offset, offset + bytes) that is known to be unreadable, as an error.
  Status CheckReadable(uint64_t offset, uint64_t bytes) const;
  // Other ways of reading found that out.
  void MarkUnreadable(uint64_t offset);

  // Mapping failed so often that it is not tried any more.
  bool gave_up() const;

 private:
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();
  static constexpr size_t kWindows = 2;  // one runs through memory, one serves what it refers to
  static constexpr size_t kLargeRead = 64 * 1024;
  static constexpr int kMissesBeforeMapping = 4;
  static constexpr int kFailuresBeforeGivingUp = 4;
  static constexpr size_t kMaxBadRuns = 1024;
  static constexpr size_t kMaxLent = 16;  // a kernel has four tables worth it
  static constexpr uint64_t kMaxLentBytes = 64 << 20;

  struct Window {
    uint64_t start = kNone;
    uint64_t used = 0;
    std::shared_ptr<const FileMapping> mapping;  // also whoever's copying it is in
  };

  std::unexpected<Error> Unreadable(uint64_t page) const;
  // With the mutex held.
  Status CheckReadableHeld(uint64_t offset, uint64_t bytes) const;
  void MarkUnreadableHeld(uint64_t offset);
  bool GaveUpHeld() const { return failures_ >= kFailuresBeforeGivingUp; }
  Window* Find(uint64_t offset);
  bool Wanted(uint64_t number, size_t bytes);
  Window* MapWindow(uint64_t start, uint64_t end);

  std::string name_;
  Map map_;
  uint64_t page_bytes_;
  uint64_t window_bytes_;

  mutable std::mutex mutex_;          // of all below, but not while a window is copied out of
  std::map<uint64_t, uint64_t> bad_;  // start -> end of pages in a row
  std::array<Window, kWindows> windows_;
  std::vector<FileMapping> lent_;
  uint64_t clock_ = 0;
  uint64_t missed_ = kNone;
  int misses_ = 0;
  int failures_ = 0;
};

}  // namespace hmem::source
