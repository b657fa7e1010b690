// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes out of /dev/hmem: small reads through a cache of pages, large ones by the way that was
// found to be the faster, by several threads at a time, and no page twice that could not be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "hmem/base/address.h"
#include "hmem/base/result.h"
#include "hmem/source/block_cache.h"
#include "hmem/source/extent_map.h"
#include "hmem/source/hmem_device.h"
#include "hmem/source/window_cache.h"

namespace hmem::source {

// Safe from several threads.
class DeviceReader {
 public:
  // `clock` tells monotonic nanoseconds.
  DeviceReader(std::unique_ptr<HmemDevice> device, const hmem_info& info, ExtentMap extents,
               uint64_t map_window_bytes, std::function<uint64_t()> clock);

  // kNotFound: a hole. kIo: EIO where memory cannot be read, else what the driver said. kCorrupt:
  // the driver contradicts itself.
  Status Read(PhysAddr addr, std::span<std::byte> out);

  // WindowCache::Lend of a range that lies in one range of RAM.
  std::optional<std::span<const std::byte>> Borrow(PhysRange range);

  const std::string& path() const { return device_->path(); }
  const ExtentMap& extents() const { return extents_; }
  // Of large reads: "mmap (1430 MiB/s by mmap, 620 MiB/s by HMEM_READV)". Empty before it was
  // decided.
  std::string AccessText();

 private:
  enum class Way { kUndecided, kMap, kCall };
  // The best of a few tries of one way: what else the machine had to do only ever adds.
  struct Sample {
    uint64_t bytes = 0;  // 0: nothing could be read
    uint64_t ns = 0;

    void Take(uint64_t bytes_read, uint64_t took_ns);
    uint64_t MiBPerSecond() const;
  };

  // Of memory in one range of RAM.
  Status ReadRam(PhysAddr addr, std::span<std::byte> out, PhysRange within);
  Status ReadMapped(PhysAddr addr, std::span<std::byte> out, PhysRange within);
  Status ReadByCall(PhysAddr addr, std::span<std::byte> out);
  // Without a window: maps just the pages of `out` where copies are not safe.
  Status ReadUnmapped(PhysAddr addr, std::span<std::byte> out);
  Result<size_t> LoadBlock(uint64_t offset, std::span<std::byte> out);
  WindowCache::Bounds WholePages(PhysRange range) const;

  void CountLargeRead(uint64_t bytes);
  void ChooseWay();
  // Windows of `bytes` in both ways. What cannot be read counts for neither.
  void Measure(PhysRange memory, uint64_t bytes);
  void MeasureMap(PhysAddr start, uint64_t bytes, std::span<std::byte> buffer);
  void MeasureCall(PhysAddr start, uint64_t bytes, std::span<std::byte> buffer);

  std::unique_ptr<HmemDevice> device_;
  bool copies_are_safe_;
  uint64_t call_max_bytes_;  // 0: no HMEM_READV
  uint64_t page_bytes_;      // of mappings
  uint64_t window_bytes_;
  std::function<uint64_t()> clock_;
  ExtentMap extents_;

  WindowCache windows_;
  std::mutex mutex_;  // of all below
  BlockCache blocks_;
  Way way_ = Way::kUndecided;
  uint64_t large_bytes_ = 0;
  Sample by_map_;
  Sample by_call_;
};

}  // namespace hmem::source
