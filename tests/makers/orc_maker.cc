// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/orc_maker.h"

#include <cstdint>

namespace hmem::makers {
namespace {

using unwind::OrcBase;
using unwind::OrcEntry;
using unwind::OrcType;
using unwind::OrcVersion;

// ORC_REG_*: first as until 7.0, then as from 7.1 on.
uint32_t RegisterBits(OrcBase base, bool from_71) {
  switch (base) {
    case OrcBase::kUndefined:
      return 0;
    case OrcBase::kPreviousSp:
      return from_71 ? 8 : 1;
    case OrcBase::kAx:
      return from_71 ? 1 : 10;
    case OrcBase::kDx:
      return 2;
    case OrcBase::kDi:
      return from_71 ? 5 : 3;
    case OrcBase::kBp:
      return 4;
    case OrcBase::kSp:
      return from_71 ? 3 : 5;
    case OrcBase::kR10:
      return 6;
    case OrcBase::kR13:
      return 7;
    case OrcBase::kBpIndirect:
      return from_71 ? 10 : 8;
    case OrcBase::kSpIndirect:
      return 9;
    case OrcBase::kUnknown:
      return 15;
  }
  return 15;
}

uint32_t TypeBits(OrcType type, OrcVersion version) {
  const bool from_64 = version == OrcVersion::k3 || version == OrcVersion::k4;
  switch (type) {
    case OrcType::kUndefined:
      return 0;
    case OrcType::kEndOfStack:
      return from_64 ? 1 : 0;
    case OrcType::kCall:
      return from_64 ? 2 : 0;
    case OrcType::kRegs:
      return from_64 ? 3 : 1;
    case OrcType::kRegsPartial:
      return from_64 ? 4 : 2;
    case OrcType::kUnknown:
      return from_64 ? 7 : 3;
  }
  return 0;
}

}  // namespace

std::array<std::byte, unwind::kOrcEntryBytes> EncodeOrcEntry(const OrcEntry& entry,
                                                             OrcVersion version) {
  const bool from_71 = version == OrcVersion::k4;
  uint32_t flags = RegisterBits(entry.sp_base, from_71) |
                   RegisterBits(entry.bp_base, from_71) << 4 | TypeBits(entry.type, version) << 8;
  const uint32_t end = entry.type == OrcType::kEndOfStack ? 1 : 0, signal = entry.signal ? 1 : 0;
  if (version == OrcVersion::k1) flags |= end << 10;
  if (version == OrcVersion::k2) flags |= signal << 10 | end << 11;
  if (version == OrcVersion::k3 || version == OrcVersion::k4) flags |= signal << 11;
  std::array<std::byte, unwind::kOrcEntryBytes> bytes;
  Store<int16_t>(bytes.data(), entry.sp_offset, Endian::kLittle);
  Store<int16_t>(bytes.data() + 2, entry.bp_offset, Endian::kLittle);
  Store<uint16_t>(bytes.data() + 4, static_cast<uint16_t>(flags), Endian::kLittle);
  return bytes;
}

OrcMaker& OrcMaker::Add(VirtAddr pc, const OrcEntry& entry) {
  items_.push_back({pc, entry});
  return *this;
}

OrcMaker& OrcMaker::AddCall(VirtAddr pc, int16_t sp_offset) {
  return Add(pc, {.sp_offset = sp_offset, .sp_base = OrcBase::kSp, .type = OrcType::kCall});
}

OrcMaker& OrcMaker::AddEnd(VirtAddr pc) { return Add(pc, {.type = OrcType::kEndOfStack}); }
OrcMaker& OrcMaker::AddGap(VirtAddr pc) { return Add(pc, {.type = OrcType::kUndefined}); }

unwind::OrcTable OrcMaker::Put(fakes::FakeVirtMemory& memory, VirtAddr ip_table,
                               VirtAddr entry_table) const {
  for (size_t i = 0; i < items_.size(); ++i) {
    VirtAddr slot = ip_table + i * 4;
    memory.PutU32(slot, static_cast<uint32_t>(items_[i].pc - slot));
    memory.Write(entry_table + i * unwind::kOrcEntryBytes,
                 EncodeOrcEntry(items_[i].entry, version_));
  }
  return {.name = "kernel",
          .ip_table = ip_table,
          .entry_table = entry_table,
          .count = items_.size(),
          .code = {}};
}

}  // namespace hmem::makers
