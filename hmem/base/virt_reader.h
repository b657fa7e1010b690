// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes at a kernel virtual address, and the few typed reads everything above is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"
#include "hmem/base/result.h"

namespace hmem {

class VirtReader {
 public:
  virtual ~VirtReader() = default;
  // Fills all of `out` or fails; may cross pages. kNotMapped, kNotFound, kExcluded, kTruncated,
  // kIo; the error names the address.
  virtual Status Read(VirtAddr addr, std::span<std::byte> out) const = 0;
  // The bytes where they lie, when the memory can lend them at no cost of its own; all of them can
  // be read then. They stay as long as what they were asked of. Nothing: Read() them.
  virtual std::optional<std::span<const std::byte>> Borrow(VirtAddr, uint64_t /*bytes*/) const {
    return std::nullopt;
  }
  virtual Endian endian() const = 0;
  virtual int word_bytes() const = 0;  // 4 or 8

  Result<uint8_t> U8(VirtAddr addr) const;
  Result<uint16_t> U16(VirtAddr addr) const;
  Result<uint32_t> U32(VirtAddr addr) const;
  Result<uint64_t> U64(VirtAddr addr) const;
  // unsigned long of the target, zero-extended.
  Result<uint64_t> Word(VirtAddr addr) const;
  // A pointer of the target.
  Result<VirtAddr> Pointer(VirtAddr addr) const;
  // Integer of 1, 2, 4 or 8 bytes, zero-extended. kInvalidArgument for other sizes.
  Result<uint64_t> Unsigned(VirtAddr addr, uint64_t size_bytes) const;
  // NUL-terminated text of at most max_bytes; cut there (no error) when there is no NUL. A page
  // that cannot be read ends it as an error only when nothing was read.
  Result<std::string> Text(VirtAddr addr, size_t max_bytes) const;
};

}  // namespace hmem
