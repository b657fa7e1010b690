// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/window_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "hmem/base/guarded_copy.h"

namespace hmem::source {

WindowCache::WindowCache(uint64_t window_bytes, std::string name, Map map)
    : name_(std::move(name)),
      map_(std::move(map)),
      page_bytes_(static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))),
      window_bytes_(std::max(window_bytes / page_bytes_ * page_bytes_, page_bytes_)) {}

Result<size_t> WindowCache::Copy(uint64_t offset, std::span<std::byte> out, Bounds bounds) {
  const uint64_t number = offset / window_bytes_;
  const uint64_t start = std::max(number * window_bytes_, bounds.start);
  const uint64_t end = std::min(number * window_bytes_ + window_bytes_, bounds.end);
  const size_t n = static_cast<size_t>(std::min<uint64_t>(out.size(), end - offset));
  std::shared_ptr<const FileMapping> mapping;
  std::span<const std::byte> bytes;
  {
    std::lock_guard lock(mutex_);
    HMEM_TRY(CheckReadableHeld(offset, n));
    Window* window = Find(offset);
    if (window == nullptr && Wanted(number, out.size())) window = MapWindow(start, end);
    if (window == nullptr) return size_t{0};
    window->used = ++clock_;
    mapping = window->mapping;
    bytes = mapping->bytes().subspan(offset - window->start, n);
  }
  if (auto fault = GuardedCopy(out, bytes)) {
    MarkUnreadable(offset + *fault);
    return Unreadable(offset + *fault);
  }
  return n;
}

bool WindowCache::gave_up() const {
  std::lock_guard lock(mutex_);
  return GaveUpHeld();
}

Status WindowCache::CheckReadable(uint64_t offset, uint64_t bytes) const {
  std::lock_guard lock(mutex_);
  return CheckReadableHeld(offset, bytes);
}

Status WindowCache::CheckReadableHeld(uint64_t offset, uint64_t bytes) const {
  auto behind = bad_.lower_bound(offset + bytes);
  if (behind == bad_.begin()) return {};
  auto before = std::prev(behind);
  if (before->second <= offset) return {};
  return Unreadable(std::max(before->first, offset));
}

void WindowCache::MarkUnreadable(uint64_t offset) {
  std::lock_guard lock(mutex_);
  MarkUnreadableHeld(offset);
}

void WindowCache::MarkUnreadableHeld(uint64_t offset) {
  uint64_t start = offset / page_bytes_ * page_bytes_;
  uint64_t end = start + page_bytes_;
  auto next = bad_.lower_bound(start);
  if (next != bad_.begin() && std::prev(next)->second >= end) return;
  if (next != bad_.begin() && std::prev(next)->second == start) {
    std::prev(next)->second = end;
  } else if (bad_.size() < kMaxBadRuns) {
    bad_[start] = end;
  }
}

std::unexpected<Error> WindowCache::Unreadable(uint64_t page) const {
  return FailErrno(
      fmt::format("{}: offset {:#x}: memory error", name_, page / page_bytes_ * page_bytes_), EIO);
}

WindowCache::Window* WindowCache::Find(uint64_t offset) {
  auto it = std::find_if(windows_.begin(), windows_.end(), [&](const Window& w) {
    return w.start <= offset && offset - w.start < w.mapping->bytes().size();
  });
  return it == windows_.end() ? nullptr : &*it;
}

bool WindowCache::Wanted(uint64_t number, size_t bytes) {
  if (GaveUpHeld()) return false;
  misses_ = number == missed_ ? misses_ + 1 : 1;
  missed_ = number;
  return bytes >= std::min<uint64_t>(kLargeRead, window_bytes_) || misses_ >= kMissesBeforeMapping;
}

WindowCache::Window* WindowCache::MapWindow(uint64_t start, uint64_t end) {
  Window& window =
      *std::min_element(windows_.begin(), windows_.end(),
                        [](const Window& a, const Window& b) { return a.used < b.used; });
  window.start = kNone;
  window.mapping.reset();
  auto mapping = map_(start, end - start);
  if (!mapping) {
    ++failures_;
    return nullptr;
  }
  window.mapping = std::make_shared<const FileMapping>(*std::move(mapping));
  window.start = start;
  return &window;
}

std::optional<std::span<const std::byte>> WindowCache::Lend(uint64_t offset, uint64_t bytes,
                                                            Bounds bounds) {
  std::lock_guard lock(mutex_);
  if (bytes == 0 || bytes > kMaxLentBytes || lent_.size() >= kMaxLent ||
      !CheckReadableHeld(offset, bytes)) {
    return std::nullopt;
  }
  const uint64_t start = offset / page_bytes_ * page_bytes_;
  const uint64_t end = (offset + bytes + page_bytes_ - 1) / page_bytes_ * page_bytes_;
  auto mapping = map_(start, std::min(end, bounds.end) - start);
  if (!mapping) return std::nullopt;
  std::span<const std::byte> lent = mapping->bytes().subspan(offset - start, bytes);
  std::vector<std::byte> page(page_bytes_);
  for (uint64_t at = 0; at < bytes; at += page_bytes_) {
    if (auto fault = GuardedCopy(page, lent.subspan(at, std::min(page_bytes_, bytes - at)))) {
      MarkUnreadableHeld(offset + at + *fault);
      return std::nullopt;
    }
  }
  lent_.push_back(*std::move(mapping));
  return lent;
}

}  // namespace hmem::source
