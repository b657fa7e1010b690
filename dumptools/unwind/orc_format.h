// SPDX-License-Identifier: GPL-2.0-or-later
// One entry of .orc_unwind (arch/x86/include/asm/orc_types.h), in the four layouts there have been,
// as one set of names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "hmem/base/endian.h"

namespace hmem::unwind {

// 1: 4.14 to 6.2. 2: 6.3 (ffb1b4a41016). 3: 6.4 to 7.0 (fb799447ae29). 4: 7.1 on (1735858caa4b).
enum class OrcVersion { k1 = 1, k2, k3, k4 };

// What a stack pointer or frame pointer is computed from.
enum class OrcBase {
  kUndefined,
  kPreviousSp,
  kAx,
  kDx,
  kDi,
  kBp,
  kSp,
  kR10,
  kR13,
  kBpIndirect,
  kSpIndirect,
  kUnknown
};

enum class OrcType {
  kUndefined,    // a gap: nothing is known about this code
  kEndOfStack,   // the outermost frame
  kCall,         // the return address lies below the previous stack pointer
  kRegs,         // a whole struct pt_regs lies there
  kRegsPartial,  // only the five words that the CPU pushes
  kUnknown,
};

struct OrcEntry {
  int16_t sp_offset = 0;
  int16_t bp_offset = 0;
  OrcBase sp_base = OrcBase::kUndefined;
  OrcBase bp_base = OrcBase::kUndefined;
  OrcType type = OrcType::kUndefined;
  bool signal = false;  // the caller's pc is exact, not a return address
};

constexpr size_t kOrcEntryBytes = 6;    // packed: s16 sp_offset, s16 bp_offset, u16 of bit fields
constexpr size_t kOrcHeaderBytes = 20;  // __start_orc_header: SHA-1 of orc_types.h

// `bytes` holds kOrcEntryBytes.
OrcEntry DecodeOrcEntry(std::span<const std::byte, kOrcEntryBytes> bytes, OrcVersion version,
                        Endian endian);

// nullopt: a layout that this build does not know.
std::optional<OrcVersion> OrcVersionOfHeader(std::span<const std::byte, kOrcHeaderBytes> header);

// By what most entries of any kernel are: calls whose stack pointer is computed from the stack
// pointer. `entries` are as many whole entries as are at hand; 64 decide. Also settles 1 against 2,
// which differ in the bits that mark the end of the stack and exact addresses: entries with the
// first lie at the start of the kernel's table. nullopt: no layout makes sense of them.
std::optional<OrcVersion> ProbeOrcVersion(std::span<const std::byte> entries, Endian endian);

}  // namespace hmem::unwind
