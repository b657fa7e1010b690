// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/virt_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hmem {
namespace {

template <typename T>
Result<T> ReadInteger(const VirtReader& reader, VirtAddr addr) {
  std::array<std::byte, sizeof(T)> bytes;
  HMEM_TRY(reader.Read(addr, bytes));
  return Load<T>(bytes.data(), reader.endian());
}

}  // namespace

Result<uint8_t> VirtReader::U8(VirtAddr addr) const { return ReadInteger<uint8_t>(*this, addr); }
Result<uint16_t> VirtReader::U16(VirtAddr addr) const { return ReadInteger<uint16_t>(*this, addr); }
Result<uint32_t> VirtReader::U32(VirtAddr addr) const { return ReadInteger<uint32_t>(*this, addr); }
Result<uint64_t> VirtReader::U64(VirtAddr addr) const { return ReadInteger<uint64_t>(*this, addr); }

Result<uint64_t> VirtReader::Word(VirtAddr addr) const {
  return Unsigned(addr, static_cast<uint64_t>(word_bytes()));
}

Result<VirtAddr> VirtReader::Pointer(VirtAddr addr) const {
  HMEM_ASSIGN(uint64_t value, Word(addr));
  return VirtAddr(value);
}

Result<uint64_t> VirtReader::Unsigned(VirtAddr addr, uint64_t size_bytes) const {
  switch (size_bytes) {
    case 1: {
      HMEM_ASSIGN(uint64_t v, U8(addr));
      return v;
    }
    case 2: {
      HMEM_ASSIGN(uint64_t v, U16(addr));
      return v;
    }
    case 4: {
      HMEM_ASSIGN(uint64_t v, U32(addr));
      return v;
    }
    case 8:
      return U64(addr);
    default:
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("virt {:#x}: integer of {} bytes", addr.value, size_bytes));
  }
}

Result<std::string> VirtReader::Text(VirtAddr addr, size_t max_bytes) const {
  constexpr uint64_t kStep =
      256;  // divides every page size: a step never crosses into a page that may be missing
  std::string text;
  while (text.size() < max_bytes) {
    std::array<std::byte, kStep> buffer;
    VirtAddr at = addr + text.size();
    size_t n = std::min<size_t>(kStep - at.value % kStep, max_bytes - text.size());
    auto chunk = std::span(buffer).first(n);
    if (Status status = Read(at, chunk); !status) {
      if (text.empty()) return std::unexpected(std::move(status).error());
      return text;
    }
    auto nul = std::find(chunk.begin(), chunk.end(), std::byte{0});
    text.append(reinterpret_cast<const char*>(chunk.data()),
                static_cast<size_t>(nul - chunk.begin()));
    if (nul != chunk.end()) return text;
  }
  return text;
}

}  // namespace hmem
