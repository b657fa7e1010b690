// SPDX-License-Identifier: GPL-2.0-or-later
// Settable physical and virtual memory: every byte is absent until written, any range can be made
// to fail.
//
//   FakePhysMemory phys;
//   phys.PutU64(PhysAddr(0x1000), 0x2067);
//   phys.Fail({PhysAddr(0x3000), PhysAddr(0x4000)}, ErrorCode::kExcluded);
//
//   FakeVirtMemory virt(Endian::kBig, 4);
//   virt.PutWord(VirtAddr(0xc0001000), 0xc0002000);
#pragma once

#include "hmem/base/phys_reader.h"
#include "hmem/base/virt_reader.h"
#include "tests/fakes/byte_map.h"

namespace hmem::fakes {

// Absent pages are holes: kNotFound.
class FakePhysMemory : public PhysReader, public Settable<PhysAddr> {
 public:
  explicit FakePhysMemory(Endian endian = Endian::kLittle, uint32_t page_bytes = 4096)
      : Settable(ByteMap<PhysAddr>("phys", page_bytes, ErrorCode::kNotFound), endian) {}

  Status Read(PhysAddr addr, std::span<std::byte> out) const override {
    return map().Read(addr, out);
  }
};

// Absent pages are kNotMapped.
class FakeVirtMemory : public VirtReader, public Settable<VirtAddr> {
 public:
  explicit FakeVirtMemory(Endian endian = Endian::kLittle, int word_bytes = 8,
                          uint32_t page_bytes = 4096)
      : Settable(ByteMap<VirtAddr>("virt", page_bytes, ErrorCode::kNotMapped), endian),
        endian_(endian),
        word_bytes_(word_bytes) {}

  Status Read(VirtAddr addr, std::span<std::byte> out) const override {
    return map().Read(addr, out);
  }
  Endian endian() const override { return endian_; }
  int word_bytes() const override { return word_bytes_; }

  // An unsigned long or pointer of the fake target.
  void PutWord(VirtAddr addr, uint64_t value) {
    if (word_bytes_ == 8) {
      PutU64(addr, value);
    } else {
      PutU32(addr, static_cast<uint32_t>(value));
    }
  }
  void PutPointer(VirtAddr addr, VirtAddr value) { PutWord(addr, value.value); }

 private:
  Endian endian_;
  int word_bytes_;
};

}  // namespace hmem::fakes
