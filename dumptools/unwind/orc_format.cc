// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/unwind/orc_format.h"

#include <algorithm>
#include <array>

namespace hmem::unwind {
namespace {

constexpr size_t kEnoughToProbe = 64;

OrcBase BaseOf(uint32_t bits, OrcVersion version) {
  using enum OrcBase;
  constexpr std::array<OrcBase, 11> kUntil70 = {
      kUndefined, kPreviousSp, kDx, kDi, kBp, kSp, kR10, kR13, kBpIndirect, kSpIndirect, kAx};
  constexpr std::array<OrcBase, 11> kFrom71 = {
      kUndefined, kAx, kDx, kSp, kBp, kDi, kR10, kR13, kPreviousSp, kSpIndirect, kBpIndirect};
  if (bits >= kUntil70.size()) return kUnknown;
  return version == OrcVersion::k4 ? kFrom71[bits] : kUntil70[bits];
}

uint16_t FlagsOf(std::span<const std::byte> entry, Endian endian) {
  return Load<uint16_t>(entry.data() + 4, endian);
}

}  // namespace

OrcEntry DecodeOrcEntry(std::span<const std::byte, kOrcEntryBytes> bytes, OrcVersion version,
                        Endian endian) {
  OrcEntry entry;
  entry.sp_offset = Load<int16_t>(bytes.data(), endian);
  entry.bp_offset = Load<int16_t>(bytes.data() + 2, endian);
  uint16_t flags = FlagsOf(bytes, endian);
  entry.sp_base = BaseOf(flags & 15, version);
  entry.bp_base = BaseOf(flags >> 4 & 15, version);

  if (version == OrcVersion::k3 || version == OrcVersion::k4) {
    constexpr std::array kTypes = {OrcType::kUndefined, OrcType::kEndOfStack, OrcType::kCall,
                                   OrcType::kRegs, OrcType::kRegsPartial};
    uint32_t type = flags >> 8 & 7;
    entry.type = type < kTypes.size() ? kTypes[type] : OrcType::kUnknown;
    entry.signal = (flags >> 11 & 1) != 0;
    return entry;
  }

  constexpr std::array kTypes = {OrcType::kCall, OrcType::kRegs, OrcType::kRegsPartial,
                                 OrcType::kUnknown};
  entry.type = kTypes[flags >> 8 & 3];
  bool end = (flags >> (version == OrcVersion::k1 ? 10 : 11) & 1) != 0;
  entry.signal = version == OrcVersion::k1 ? entry.type != OrcType::kCall : (flags >> 10 & 1) != 0;
  // Before there were types for them: no stack pointer at all, with or without the end bit.
  if (entry.sp_base == OrcBase::kUndefined)
    entry.type = end ? OrcType::kEndOfStack : OrcType::kUndefined;
  return entry;
}

std::optional<OrcVersion> OrcVersionOfHeader(std::span<const std::byte, kOrcHeaderBytes> header) {
  switch (Load<uint32_t>(header.data(), Endian::kBig)) {
    case 0xdb84aed4:
      return OrcVersion::k2;
    case 0xfe5d32bf:
      return OrcVersion::k3;
    case 0x137c36ad:
      return OrcVersion::k4;
    default:
      return std::nullopt;
  }
}

std::optional<OrcVersion> ProbeOrcVersion(std::span<const std::byte> entries, Endian endian) {
  size_t count = entries.size() / kOrcEntryBytes;
  if (count < kEnoughToProbe) return std::nullopt;
  constexpr uint32_t kSpUntil70 = 5, kSpFrom71 = 3;
  size_t calls_until_63 = 0, calls_64_to_70 = 0, calls_from_71 = 0;
  bool is_version_2 = false;
  for (size_t i = 0; i < count; ++i) {
    uint16_t flags = FlagsOf(entries.subspan(i * kOrcEntryBytes, kOrcEntryBytes), endian);
    uint32_t sp = flags & 15;
    if (sp == kSpUntil70 && (flags >> 8 & 3) == 0) ++calls_until_63;
    if (sp == kSpUntil70 && (flags >> 8 & 7) == 2) ++calls_64_to_70;
    if (sp == kSpFrom71 && (flags >> 8 & 7) == 2) ++calls_from_71;
    // Bit 11 ends a stack there; bit 10, which does so in version 1, says that an address is exact.
    if (sp == 0 && (flags >> 11 & 1) != 0) is_version_2 = true;
    if (sp != 0 && (flags >> 10 & 1) != 0) is_version_2 = true;
  }
  size_t most = std::max({calls_until_63, calls_64_to_70, calls_from_71});
  if (most < count / 4) return std::nullopt;
  if (most == calls_from_71) return OrcVersion::k4;
  if (most == calls_64_to_70) return OrcVersion::k3;
  return is_version_2 ? OrcVersion::k2 : OrcVersion::k1;
}

}  // namespace hmem::unwind
