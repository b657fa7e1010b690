// SPDX-License-Identifier: GPL-2.0-or-later
// Settable pages of one address space: what both fake readers are made of.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"
#include "hmem/base/result.h"

namespace hmem::fakes {

// `A` is PhysAddr or VirtAddr. A page is absent until it is written to; ranges may be set to fail
// with any error.
template <typename A>
class ByteMap {
 public:
  ByteMap(std::string_view space, uint32_t page_bytes, ErrorCode absent)
      : space_(space), page_bytes_(page_bytes), absent_(absent) {}

  // Makes the pages touched present (zero-filled) and stores the bytes.
  void Write(A addr, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      std::vector<std::byte>& page = Page(addr.value / page_bytes_);
      uint64_t at = addr.value % page_bytes_;
      size_t n = std::min<uint64_t>(bytes.size(), page_bytes_ - at);
      std::copy_n(bytes.begin(), n, page.begin() + static_cast<ptrdiff_t>(at));
      bytes = bytes.subspan(n);
      addr = addr + n;
    }
  }

  // Makes every page touched by the range present, zero where it was absent.
  void AddZero(Range<A> range) {
    if (range.empty()) return;
    for (uint64_t page = range.start.value / page_bytes_;
         page <= (range.end.value - 1) / page_bytes_; ++page) {
      Page(page);
    }
  }

  // Every read that touches the range fails like this, whatever is stored there. The last call
  // wins.
  void Fail(Range<A> range, Error error) { failures_.push_back({range, std::move(error)}); }

  Status Read(A addr, std::span<std::byte> out) const {
    if (out.empty()) return {};
    Range<A> wanted{
        addr, addr + (out.size() - 1)};  // last byte, so that the top of the space can be read
    for (auto it = failures_.rbegin(); it != failures_.rend(); ++it) {
      if (wanted.start < it->range.end && wanted.end >= it->range.start) {
        A place = std::max(wanted.start, it->range.start);
        return std::unexpected(it->error.Within(fmt::format("{} {:#x}", space_, place.value)));
      }
    }
    while (!out.empty()) {
      auto page = pages_.find(addr.value / page_bytes_);
      if (page == pages_.end()) {
        return hmem::Fail(absent_, fmt::format("{} {:#x}: nothing there", space_, addr.value));
      }
      uint64_t at = addr.value % page_bytes_;
      size_t n = std::min<uint64_t>(out.size(), page_bytes_ - at);
      std::copy_n(page->second.begin() + static_cast<ptrdiff_t>(at), n, out.begin());
      out = out.subspan(n);
      addr = addr + n;
    }
    return {};
  }

  bool Has(A addr) const { return pages_.contains(addr.value / page_bytes_); }
  // The error a read of this one address meets; nullptr where it is readable or absent.
  const Error* FailureAt(A addr) const {
    for (auto it = failures_.rbegin(); it != failures_.rend(); ++it) {
      if (it->range.contains(addr)) return &it->error;
    }
    return nullptr;
  }
  // Page-aligned ranges that were written, added or set to fail: sorted, disjoint.
  std::vector<Range<A>> Ranges() const {
    std::vector<Range<A>> ranges;
    for (const auto& [number, page] : pages_) {
      ranges.push_back({A(number * page_bytes_), A((number + 1) * page_bytes_)});
    }
    for (const Failure& failure : failures_) {
      if (failure.error.code() == ErrorCode::kNotFound ||
          failure.error.code() == ErrorCode::kNotMapped)
        continue;
      ranges.push_back(
          {A(failure.range.start.value / page_bytes_ * page_bytes_),
           A((failure.range.end.value + page_bytes_ - 1) / page_bytes_ * page_bytes_)});
    }
    std::sort(ranges.begin(), ranges.end());
    std::vector<Range<A>> merged;
    for (const Range<A>& range : ranges) {
      if (!merged.empty() && range.start <= merged.back().end) {
        merged.back().end = std::max(merged.back().end, range.end);
      } else {
        merged.push_back(range);
      }
    }
    return merged;
  }
  uint32_t page_bytes() const { return page_bytes_; }

 private:
  struct Failure {
    Range<A> range;
    Error error;
  };

  std::vector<std::byte>& Page(uint64_t number) {
    return pages_.try_emplace(number, std::vector<std::byte>(page_bytes_)).first->second;
  }

  std::string_view space_;
  uint32_t page_bytes_;
  ErrorCode absent_;
  std::map<uint64_t, std::vector<std::byte>> pages_;
  std::vector<Failure> failures_;
};

// The writing half of both fakes: bytes, text (without NUL unless it holds one), integers in the
// fake's byte order.
template <typename A>
class Settable {
 public:
  Settable(ByteMap<A> map, Endian endian) : map_(std::move(map)), put_endian_(endian) {}

  void Write(A addr, std::span<const std::byte> bytes) { map_.Write(addr, bytes); }
  void WriteText(A addr, std::string_view text) {
    map_.Write(addr, std::as_bytes(std::span(text)));
  }
  template <typename T>
  void Put(A addr, T value) {
    std::array<std::byte, sizeof(T)> bytes;
    Store<T>(bytes.data(), value, put_endian_);
    map_.Write(addr, bytes);
  }
  void PutU8(A addr, uint8_t value) { Put<uint8_t>(addr, value); }
  void PutU16(A addr, uint16_t value) { Put<uint16_t>(addr, value); }
  void PutU32(A addr, uint32_t value) { Put<uint32_t>(addr, value); }
  void PutU64(A addr, uint64_t value) { Put<uint64_t>(addr, value); }
  // Present, zero where nothing was written.
  void AddZero(Range<A> range) { map_.AddZero(range); }
  // Reads that touch the range fail with this code (or this error).
  void Fail(Range<A> range, ErrorCode code) { map_.Fail(range, Error(code, "fake")); }
  void Fail(Range<A> range, Error error) { map_.Fail(range, std::move(error)); }

  const ByteMap<A>& map() const { return map_; }

 private:
  ByteMap<A> map_;
  Endian put_endian_;
};

}  // namespace hmem::fakes
