// SPDX-License-Identifier: GPL-2.0-or-later
// Distinct types for the address spaces of the crashed machine. Ranges are half-open.
#pragma once

#include <compare>
#include <cstdint>

namespace hmem {

template <typename Tag>
struct Address {
  uint64_t value = 0;

  constexpr Address() = default;
  constexpr explicit Address(uint64_t v) : value(v) {}
  constexpr auto operator<=>(const Address&) const = default;
  // Wraps modulo 2^64, as addresses do; check with CheckedAdd where the operand is from a dump.
  constexpr Address operator+(uint64_t n) const { return Address(value + n); }
  constexpr Address operator-(uint64_t n) const { return Address(value - n); }
  constexpr uint64_t operator-(Address other) const { return value - other.value; }
};

using PhysAddr = Address<struct PhysTag>;  // of the crashed machine, bytes
using VirtAddr =
    Address<struct VirtTag>;  // of the crashed kernel, bytes; zero-extended on 32-bit targets
using Pfn = Address<struct PfnTag>;  // physical address / page size

template <typename A>
struct Range {
  A start;
  A end;  // first address behind

  constexpr uint64_t size() const { return end.value - start.value; }
  constexpr bool empty() const { return end.value <= start.value; }
  constexpr bool contains(A a) const { return a >= start && a < end; }
  constexpr auto operator<=>(const Range&) const = default;
};

using PhysRange = Range<PhysAddr>;
using VirtRange = Range<VirtAddr>;
using PfnRange = Range<Pfn>;

// False when the sum or product does not fit 64 bits.
[[nodiscard]] constexpr bool CheckedAdd(uint64_t a, uint64_t b, uint64_t* sum) {
  return !__builtin_add_overflow(a, b, sum);
}
[[nodiscard]] constexpr bool CheckedMul(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

}  // namespace hmem
