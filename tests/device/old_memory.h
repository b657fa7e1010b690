// SPDX-License-Identifier: GPL-2.0-or-later
// What the tests look at: the device, what it says of the old kernel's memory, and /proc/vmcore,
// which says it independently. Each test opens its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/fd.h"
#include "hmem/uapi/hmem.h"
#include "tests/device/test_case.h"

namespace hmem::device_test {

inline constexpr char kDevice[] = "/dev/hmem";
inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kMiB = 1 << 20;

// System calls as one number: the value, or -errno.
int64_t Open(const char* path, int flags);
int64_t Ioctl(int fd, unsigned long command, void* argument);
int64_t Pread(int fd, void* to, size_t bytes, uint64_t offset);
int64_t Seek(int fd, uint64_t offset, int whence);

// Any address, also one that nothing may be at.
inline std::byte* At(uint64_t address) {
  return reinterpret_cast<std::byte*>(address);  // NOLINT(performance-no-int-to-ptr): the point
}

// What touching an address does to a process: 0, or the signal that ends it.
int Touch(const std::byte* at, bool write = false);

// A read-only shared mapping, unmapped when it goes.
class Mapping {
 public:
  Mapping(int fd, uint64_t offset, size_t bytes);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  // 0, or why there is none.
  int64_t error() const { return error_; }
  const std::byte* data() const { return data_; }
  std::span<const std::byte> bytes() const { return {data_, bytes_}; }
  // Someone else takes care of it.
  void Release() { data_ = nullptr; }

 private:
  const std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  int64_t error_ = 0;
};

// Memory that ends at a page that cannot be touched.
class Guarded {
 public:
  explicit Guarded(size_t bytes);
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded();

  std::byte* data() const { return start_; }
  // `bytes` of it, right in front of the page that cannot be touched.
  std::byte* Last(size_t bytes) const { return start_ + bytes_ - bytes; }
  std::span<std::byte> bytes() const { return {start_, bytes_}; }

 private:
  std::byte* start_ = nullptr;
  size_t bytes_ = 0;  // a multiple of the page size
};

// Addresses for many bytes, over little memory: what is read into it can be long.
class Repeated {
 public:
  // `bytes` is a multiple of `period`, which is one of the page size.
  Repeated(Check& check, size_t bytes, size_t period);
  Repeated(const Repeated&) = delete;
  Repeated& operator=(const Repeated&) = delete;
  ~Repeated();
  std::byte* data() const { return start_; }

 private:
  std::byte* start_ = nullptr;
  size_t bytes_;
};

struct OldMemory {
  // Ends the test when the device cannot be opened or asked.
  explicit OldMemory(Check& check);

  // The largest range.
  PhysRange Big() const;
  // Of `bytes`, in the middle of the largest range, page-aligned.
  PhysRange Middle(uint64_t bytes) const;
  // Half-open, between and in front of the ranges.
  std::vector<PhysRange> Holes() const;
  // The range that something lies behind a hole of at least two pages.
  PhysRange BeforeHole() const;
  PhysAddr End() const { return ram.back().end; }

  UniqueFd fd;
  hmem_info info = {};
  std::vector<hmem_region> regions;
  // Those of kind RAM.
  std::vector<PhysRange> ram;
};

// Of the regions a HMEM_REGIONS with room for all of them delivers.
std::vector<hmem_region> AskRegions(Check& check, int fd, uint32_t count);

class Vmcore {
 public:
  struct Segment {
    PhysRange range;
    uint64_t virt;
    uint64_t offset;
  };
  explicit Vmcore(Check& check);

  // All of it, or the test ends.
  void Read(PhysAddr from, std::span<std::byte> to) const;
  // Where in the file an address is, and how many bytes from there on are in the same segment.
  uint64_t OffsetOf(PhysAddr at, uint64_t* bytes) const;

  int fd() const { return fd_.get(); }
  const std::vector<Segment>& loads() const { return loads_; }
  const std::vector<std::byte>& notes() const { return notes_; }

 private:
  Check& check_;
  UniqueFd fd_;
  std::vector<Segment> loads_;
  std::vector<std::byte> notes_;
};

// Claims that `found` is what the old memory has from `at` on, by /proc/vmcore.
void ExpectBytes(Check& check, std::string_view what, const Vmcore& vmcore, PhysAddr at,
                 std::span<const std::byte> found);

// "0x1000-0x9fc00".
std::string ToText(PhysRange range);

}  // namespace hmem::device_test
