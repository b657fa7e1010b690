// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/device_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <vector>

#include "hmem/base/guarded_copy.h"

namespace hmem::source {
namespace {

constexpr size_t kLargeRead = 64 * 1024;
// So much is read before it is measured which way is the faster: what a first-failure record needs
// does not wait for samples that cost more than they save.
constexpr uint64_t kWindowsBeforeMeasuring = 4;
constexpr uint64_t kSampleStepBytes = 1 << 20;  // what a capture reads at a time
constexpr int kSamplesEach = 3;
// Samples of each way are taken whatever they take; further ones in this time only.
constexpr uint64_t kSampleBudgetNs = 1'000'000'000;
// Calls in a row that deliver nothing and give no reason, or say that a signal came.
constexpr int kMaxIdleCalls = 100;
constexpr uint64_t kNsPerSecond = 1'000'000'000;

uint64_t HostPageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

DeviceReader::DeviceReader(std::unique_ptr<HmemDevice> device, const hmem_info& info,
                           ExtentMap extents, uint64_t map_window_bytes,
                           std::function<uint64_t()> clock)
    : device_(std::move(device)),
      copies_are_safe_((info.features & HMEM_FEATURE_MC_SAFE) != 0),
      call_max_bytes_(info.readv_max_ranges == 0 ? 0 : info.readv_max_bytes),
      page_bytes_(std::max<uint64_t>(info.page_bytes, HostPageBytes())),
      window_bytes_(std::max(map_window_bytes / page_bytes_ * page_bytes_, page_bytes_)),
      clock_(std::move(clock)),
      extents_(std::move(extents)),
      windows_(
          window_bytes_, device_->path(),
          [this](uint64_t offset, size_t bytes) { return device_->Map(PhysAddr(offset), bytes); }),
      blocks_(
          [this](uint64_t offset, std::span<std::byte> out) { return LoadBlock(offset, out); }) {
  if (!copies_are_safe_ || call_max_bytes_ == 0) way_ = Way::kMap;
}

Status DeviceReader::Read(PhysAddr addr, std::span<std::byte> out) {
  while (!out.empty()) {
    const Extent* extent = extents_.Find(addr);
    if (extent == nullptr)
      return Fail(ErrorCode::kNotFound, fmt::format("phys {:#x}: no RAM there", addr.value));
    auto n = static_cast<size_t>(std::min<uint64_t>(out.size(), extent->phys.end - addr));
    if (extent->kind == ExtentKind::kData) {
      HMEM_TRY(
          Within(fmt::format("phys {:#x}", addr.value), ReadRam(addr, out.first(n), extent->phys)));
    } else {
      std::fill_n(out.begin(), n, std::byte{0});
    }
    out = out.subspan(n);
    addr = addr + n;
  }
  return {};
}

std::optional<std::span<const std::byte>> DeviceReader::Borrow(PhysRange range) {
  const Extent* extent = extents_.Find(range.start);
  if (extent == nullptr || extent->kind != ExtentKind::kData) return std::nullopt;
  WindowCache::Bounds bounds = WholePages(extent->phys);
  if (range.start.value < bounds.start || range.end.value > bounds.end) return std::nullopt;
  return windows_.Lend(range.start.value, range.size(), bounds);
}

Status DeviceReader::ReadRam(PhysAddr addr, std::span<std::byte> out, PhysRange within) {
  bool by_call;
  {
    std::lock_guard lock(mutex_);
    if (out.size() <= BlockCache::kLargestRead) {
      HMEM_TRY(blocks_.Read(addr.value, out));
      return {};
    }
    if (out.size() >= kLargeRead) CountLargeRead(out.size());
    by_call = way_ == Way::kUndecided ? copies_are_safe_ : way_ == Way::kCall;
  }
  return by_call ? ReadByCall(addr, out) : ReadMapped(addr, out, within);
}

// A page may hold the end of one range and the start of another; holes in it are zeros, and nobody
// is given them.
Result<size_t> DeviceReader::LoadBlock(uint64_t offset, std::span<std::byte> out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  PhysRange block{PhysAddr(offset), PhysAddr(offset + out.size())};
  for (const Extent& extent : extents_.Touching(block)) {
    if (extent.kind != ExtentKind::kData) continue;
    PhysRange part{std::max(block.start, extent.phys.start), std::min(block.end, extent.phys.end)};
    std::span<std::byte> room = out.subspan(part.start - block.start, part.size());
    HMEM_TRY(copies_are_safe_ ? ReadByCall(part.start, room)
                              : ReadMapped(part.start, room, extent.phys));
  }
  return out.size();
}

// A window keeps away from pages that others may have a part of: one of these that cannot be mapped
// would take the whole window along.
WindowCache::Bounds DeviceReader::WholePages(PhysRange range) const {
  uint64_t start = (range.start.value + page_bytes_ - 1) / page_bytes_ * page_bytes_;
  uint64_t end = range.end.value / page_bytes_ * page_bytes_;
  return {.start = start, .end = std::max(start, end)};
}

Status DeviceReader::ReadMapped(PhysAddr addr, std::span<std::byte> out, PhysRange within) {
  const WindowCache::Bounds bounds = WholePages(within);
  while (!out.empty()) {
    std::span<std::byte> piece = out;
    size_t n = 0;
    if (addr.value < bounds.start || addr.value >= bounds.end) {
      if (addr.value < bounds.start)
        piece = piece.first(std::min<uint64_t>(piece.size(), bounds.start - addr.value));
      HMEM_TRY(ReadUnmapped(addr, piece));
      n = piece.size();
    } else {
      uint64_t room = std::min(windows_.BytesLeft(addr.value), bounds.end - addr.value);
      piece = piece.first(std::min<uint64_t>(piece.size(), room));
      HMEM_ASSIGN(n, windows_.Copy(addr.value, piece, bounds));
      if (n == 0) {
        HMEM_TRY(ReadUnmapped(addr, piece));
        n = piece.size();
      }
    }
    out = out.subspan(n);
    addr = addr + n;
  }
  return {};
}

Status DeviceReader::ReadUnmapped(PhysAddr addr, std::span<std::byte> out) {
  if (copies_are_safe_) return ReadByCall(addr, out);
  HMEM_TRY(windows_.CheckReadable(addr.value, out.size()));
  uint64_t start = addr.value / page_bytes_ * page_bytes_;
  uint64_t end = (addr.value + out.size() + page_bytes_ - 1) / page_bytes_ * page_bytes_;
  auto mapping = device_->Map(PhysAddr(start), end - start);
  // There is no safer way than this one.
  if (!mapping) return ReadByCall(addr, out);
  auto bytes = mapping->bytes().subspan(addr.value - start, out.size());
  if (auto fault = GuardedCopy(out, bytes)) {
    windows_.MarkUnreadable(addr.value + *fault);
    return windows_.CheckReadable(addr.value, out.size());
  }
  return {};
}

Status DeviceReader::ReadByCall(PhysAddr addr, std::span<std::byte> out) {
  if (call_max_bytes_ == 0) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: mmap failed, and the driver has no HMEM_READV", path()));
  }
  int idle = 0;
  while (!out.empty()) {
    std::span<std::byte> piece = out.first(std::min<uint64_t>(out.size(), call_max_bytes_));
    HMEM_TRY(windows_.CheckReadable(addr.value, piece.size()));
    hmem_range range{.phys = addr.value,
                     .bytes = static_cast<uint32_t>(piece.size()),
                     .done = 0,
                     .status = 0,
                     .reserved = 0};
    hmem_readv request{.ranges = reinterpret_cast<uintptr_t>(&range),
                       .buffer = reinterpret_cast<uintptr_t>(piece.data()),
                       .buffer_bytes = piece.size(),
                       .count = 1,
                       .flags = 0};
    int error = device_->ReadV(request);
    if (error == EINTR) {
      range.done = 0;
      range.status = -EINTR;
    } else if (error != 0) {
      return FailErrno(fmt::format("{}: HMEM_READV", path()), error);
    }
    if (range.done > piece.size() || range.status > 0 ||
        (range.status != 0 && range.done == piece.size())) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: HMEM_READV: {} of {} bytes done, with status {}", path(),
                              range.done, piece.size(), range.status));
    }
    idle = range.done == 0 ? idle + 1 : 0;
    addr = addr + range.done;
    out = out.subspan(range.done);
    if (range.status == -EIO) {
      windows_.MarkUnreadable(addr.value);
      return windows_.CheckReadable(addr.value, 1);
    }
    if (range.status == -ENXIO) {
      return FailErrno(fmt::format("{}: offset {:#x}: HMEM_READV sees a hole where HMEM_REGIONS "
                                   "has memory",
                                   path(), addr.value),
                       ENXIO);
    }
    if (range.status != 0 && range.status != -EINTR)
      return FailErrno(fmt::format("{}: offset {:#x}: HMEM_READV", path(), addr.value),
                       -range.status);
    if (idle == kMaxIdleCalls) {
      return FailErrno(
          fmt::format("{}: offset {:#x}: HMEM_READV delivers nothing", path(), addr.value), EINTR);
    }
  }
  return {};
}

void DeviceReader::Sample::Take(uint64_t bytes_read, uint64_t took_ns) {
  if (bytes != 0 && took_ns >= ns) return;
  bytes = bytes_read;
  ns = took_ns;
}

uint64_t DeviceReader::Sample::MiBPerSecond() const {
  return bytes * kNsPerSecond / std::max<uint64_t>(ns, 1) >> 20;
}

void DeviceReader::CountLargeRead(uint64_t bytes) {
  if (way_ == Way::kMap && windows_.gave_up() && call_max_bytes_ != 0) way_ = Way::kCall;
  large_bytes_ += bytes;
  if (way_ == Way::kUndecided && large_bytes_ >= kWindowsBeforeMeasuring * window_bytes_)
    ChooseWay();
}

void DeviceReader::ChooseWay() {
  way_ = Way::kMap;
  PhysRange largest;
  for (const Extent& extent : extents_.all()) {
    if (extent.kind != ExtentKind::kData) continue;
    auto [start, end] = WholePages(extent.phys);
    if (end - start > largest.size()) largest = {PhysAddr(start), PhysAddr(end)};
  }
  if (!largest.empty()) Measure(largest, std::min(window_bytes_, largest.size()));
  if (by_call_.bytes != 0 &&
      (by_map_.bytes == 0 || by_call_.MiBPerSecond() > by_map_.MiBPerSecond())) {
    way_ = Way::kCall;
  }
}

void DeviceReader::Measure(PhysRange memory, uint64_t bytes) {
  std::vector<std::byte> buffer(std::min(bytes, kSampleStepBytes));
  // Each time other memory, as far as there is: what was read before is in the caches.
  constexpr int kPlaces = 2 * kSamplesEach;
  uint64_t step = (memory.size() - bytes) / (kPlaces - 1) / page_bytes_ * page_bytes_;
  uint64_t begun = clock_();
  for (int i = 0; i < kPlaces; ++i) {
    PhysAddr start = memory.start + step * static_cast<uint64_t>(i);
    bool map = i % 2 == 0;
    bool enough = by_map_.bytes != 0 && by_call_.bytes != 0;
    if (enough && clock_() - begun > kSampleBudgetNs) return;
    if (map) {
      MeasureMap(start, bytes, buffer);
    } else {
      MeasureCall(start, bytes, buffer);
    }
  }
}

// With mapping and unmapping, as a capture does it.
void DeviceReader::MeasureMap(PhysAddr start, uint64_t bytes, std::span<std::byte> buffer) {
  if (!windows_.CheckReadable(start.value, bytes)) return;
  uint64_t begun = clock_();
  {
    auto mapping = device_->Map(start, bytes);
    if (!mapping) return;
    for (uint64_t at = 0; at < bytes; at += buffer.size()) {
      auto piece = mapping->bytes().subspan(at, std::min<uint64_t>(buffer.size(), bytes - at));
      if (auto fault = GuardedCopy(buffer, piece)) {
        windows_.MarkUnreadable(start.value + at + *fault);
        return;
      }
    }
  }
  by_map_.Take(bytes, clock_() - begun);
}

void DeviceReader::MeasureCall(PhysAddr start, uint64_t bytes, std::span<std::byte> buffer) {
  uint64_t begun = clock_();
  for (uint64_t at = 0; at < bytes; at += buffer.size()) {
    auto piece = buffer.first(std::min<uint64_t>(buffer.size(), bytes - at));
    if (!ReadByCall(start + at, piece)) return;
  }
  by_call_.Take(bytes, clock_() - begun);
}

std::string DeviceReader::AccessText() {
  std::lock_guard lock(mutex_);
  if (way_ == Way::kUndecided) return "";
  std::string text = way_ == Way::kMap ? "mmap" : "HMEM_READV";
  if (!copies_are_safe_) return text + ", since its copies do not survive memory errors";
  if (call_max_bytes_ == 0) return text + ", since there is no HMEM_READV";
  if (way_ == Way::kCall && (windows_.gave_up() || by_map_.bytes == 0))
    return text + ", since mmap fails";
  if (by_map_.bytes == 0 || by_call_.bytes == 0) return text + ", not measured";
  return fmt::format("{} ({} MiB/s by mmap, {} MiB/s by HMEM_READV)", text, by_map_.MiBPerSecond(),
                     by_call_.MiBPerSecond());
}

}  // namespace hmem::source
