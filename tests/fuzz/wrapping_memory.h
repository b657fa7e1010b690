// SPDX-License-Identifier: GPL-2.0-or-later
// Kernel memory that is a fuzzer's input over and over: every pointer in it leads somewhere, so
// what is read through it only ends where the reader ends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hmem/base/virt_reader.h"

namespace hmem::fuzz {

class WrappingMemory : public VirtReader {
 public:
  static constexpr VirtAddr kBase{0xffff888000000000};

  // At least 64 bytes, zero where the input is shorter.
  explicit WrappingMemory(std::span<const uint8_t> input) : bytes_(input.begin(), input.end()) {
    if (bytes_.size() < 64) bytes_.resize(64);
  }

  // Addresses of the lower half are user space: not mapped.
  Status Read(VirtAddr addr, std::span<std::byte> out) const override {
    for (size_t i = 0; i < out.size(); ++i) {
      uint64_t at = addr.value + i;
      if (at >> 63 == 0) return Fail(ErrorCode::kNotMapped, "user space");
      out[i] = static_cast<std::byte>(bytes_[(at - kBase.value) % bytes_.size()]);
    }
    return {};
  }
  Endian endian() const override { return Endian::kLittle; }
  int word_bytes() const override { return 8; }

  std::vector<uint8_t>& bytes() { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace hmem::fuzz
