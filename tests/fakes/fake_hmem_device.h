// SPDX-License-Identifier: GPL-2.0-or-later
// /dev/hmem without a kernel: answers as the contract says, or as the test wants it broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/fd.h"
#include "hmem/source/hmem_device.h"

namespace hmem::fakes {

class FakeHmemDevice : public source::HmemDevice {
 public:
  FakeHmemDevice();

  // A region of kind RAM with these bytes. Everything in `info` that follows from it is kept up.
  FakeHmemDevice& Ram(PhysAddr start, std::span<const std::byte> bytes, VirtAddr virt = {});
  // Only a region; no memory, nothing counted.
  FakeHmemDevice& Region(hmem_region region);
  FakeHmemDevice& Notes(std::vector<std::byte> bytes);
  // Reading it is -EIO, touching it SIGBUS.
  void Spoil(PhysRange range) { bad_.push_back(range); }
  // What the old kernel's memory holds from now on.
  void Write(PhysAddr start, std::span<const std::byte> bytes) const;

  const std::string& path() const override { return path_; }
  int Info(hmem_info& out) const override;
  int Regions(hmem_regions& request) const override;
  int Notes(hmem_notes& request) const override;
  int ReadV(hmem_readv& request) const override;
  Result<FileMapping> Map(PhysAddr start, size_t bytes) const override;

  hmem_info info{};
  std::vector<hmem_region> regions;
  std::vector<std::byte> notes;

  // Broken answers. They see what would have been answered.
  int info_error = 0;
  std::function<int(hmem_regions&)> on_regions = [](hmem_regions&) { return 0; };
  std::function<int(hmem_notes&)> on_notes = [](hmem_notes&) { return 0; };
  std::function<int(hmem_range&)> on_range = [](hmem_range&) { return 0; };  // of a HMEM_READV
  bool maps = true;

  // What reading and mapping take, on a clock of its own.
  uint64_t call_ns_per_kib = 1;
  uint64_t map_ns_per_kib = 1;
  std::function<uint64_t()> Clock() const {
    return [this] {
      std::lock_guard lock(mutex_);
      return now_ns_;
    };
  }

  struct Done {
    uint64_t calls = 0;
    uint64_t maps = 0;
    // Spoiled pages that the driver was made to read or map.
    uint64_t bad_touched = 0;
  };
  Done done() const {
    std::lock_guard lock(mutex_);
    return done_;
  }

 private:
  bool InRam(PhysRange range) const;
  bool HasMemory(PhysRange page) const;

  std::string path_ = "/dev/hmem";
  UniqueFd memory_;  // by physical address
  UniqueFd nothing_;
  std::vector<PhysRange> bad_;
  mutable std::mutex mutex_;  // of the rest
  mutable uint64_t now_ns_ = 0;
  mutable Done done_;
};

}  // namespace hmem::fakes
