// SPDX-License-Identifier: GPL-2.0-or-later
// The kdump-compressed layout (makedumpfile, QEMU; read by crash, drgn, libkdumpfile), versions 1
// to 6. Counted in blocks of the crashed kernel's page size:
//
//   block 0                     header
//   block 1 .. sub_header_blocks   sub header, right behind it the ELF notes
//   bitmap_blocks / 2           bitmap 1: the page is RAM; lowest bit of a byte first
//   bitmap_blocks / 2           bitmap 2: the page is in this file
//   one descriptor for each bit of bitmap 2, then page data
//
// Integers are in the crashed machine's byte order and `long` is as wide as there; so the layout
// comes in three kinds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/endian.h"
#include "hmem/base/result.h"

namespace hmem::format {

enum class KdumpLayout {
  k64,        // LP64
  k32Padded,  // ILP32, 64-bit integers aligned to 8: arm, ppc, mips
  k32Packed,  // ILP32, 64-bit integers aligned to 4: i386
};

// Status of the header: the codec of the pages, and these.
inline constexpr uint32_t kKdumpIncomplete = 0x8;
inline constexpr uint32_t kKdumpVmemmapExcluded = 0x10;

// Flags of a page descriptor. 0: stored raw.
inline constexpr uint32_t kKdumpPageZlib = 0x1;
inline constexpr uint32_t kKdumpPageLzo = 0x2;
inline constexpr uint32_t kKdumpPageSnappy = 0x4;
inline constexpr uint32_t kKdumpPageZstd = 0x20;

inline constexpr std::string_view kKdumpSignature = "KDUMP   ";
inline constexpr std::string_view kDiskdumpSignature = "DISKDUMP";

inline constexpr size_t kKdumpHeaderBytes = 464;     // of the longest layout
inline constexpr size_t kKdumpSubHeaderBytes = 104;  // of the longest layout
inline constexpr size_t kKdumpDescriptorBytes = 24;  // of every layout
inline constexpr int kKdumpNewestVersion = 6;

struct KdumpHeader {
  KdumpLayout layout =
      KdumpLayout::k64;  // 32-bit: k32Packed where the machine packs; see ParseKdumpSubHeader
  Endian endian = Endian::kLittle;
  uint32_t version = kKdumpNewestVersion;
  // sysname, nodename, release, version, machine, domainname
  std::array<std::string, 6> utsname;
  uint64_t time_seconds = 0;
  uint64_t time_microseconds = 0;
  uint32_t status = 0;
  uint32_t block_bytes = 4096;
  uint32_t sub_header_blocks = 1;
  uint32_t bitmap_blocks = 0;  // both bitmaps
  uint32_t max_mapnr = 0;      // up to version 5
  uint32_t nr_cpus = 1;

  const std::string& machine() const { return utsname[4]; }
  void set_machine(std::string_view name) { utsname[4] = name; }
};

struct KdumpSubHeader {
  uint64_t phys_base = 0;
  uint32_t dump_level = 0;         // from version 1
  uint32_t split = 0;              // 2
  uint64_t start_pfn = 0;          // 2; from version 6 on in start_pfn_64
  uint64_t end_pfn = 0;            // 2
  uint64_t vmcoreinfo_offset = 0;  // 3; file offset of the text
  uint64_t vmcoreinfo_bytes = 0;   // 3
  uint64_t note_offset = 0;        // 4
  uint64_t note_bytes = 0;         // 4
  uint64_t eraseinfo_offset = 0;   // 5
  uint64_t eraseinfo_bytes = 0;    // 5
  uint64_t start_pfn_64 = 0;       // 6
  uint64_t end_pfn_64 = 0;         // 6
  uint64_t max_mapnr_64 = 0;       // 6
};

struct KdumpDescriptor {
  uint64_t offset = 0;  // 0: the writer never got to this page
  uint32_t bytes = 0;
  uint32_t flags = 0;
};

// The layout whose header makes sense is taken, 64-bit first. kCorrupt: none does; kTruncated: too
// short.
Result<KdumpHeader> ParseKdumpHeader(std::span<const std::byte> bytes);

// `bytes` starts at block 1. Fields newer than the header's version are left 0. header.layout is
// changed where only the other 32-bit layout makes sense.
Result<KdumpSubHeader> ParseKdumpSubHeader(std::span<const std::byte> bytes, KdumpHeader& header);

KdumpDescriptor ParseKdumpDescriptor(std::span<const std::byte, kKdumpDescriptorBytes> bytes,
                                     Endian endian);

// The opposite, for a writer. The bytes of the structure itself, without padding to a block.
std::vector<std::byte> BuildKdumpHeader(const KdumpHeader& header);
std::vector<std::byte> BuildKdumpSubHeader(const KdumpSubHeader& sub, const KdumpHeader& header);
std::array<std::byte, kKdumpDescriptorBytes> BuildKdumpDescriptor(const KdumpDescriptor& descriptor,
                                                                  Endian endian);

int KdumpWordBytes(KdumpLayout layout);
// EM_* of utsname.machine; EM_NONE for a name that is not known.
uint16_t KdumpElfMachine(const KdumpHeader& header);
// "zlib", "lzo", "snappy", "zstd", "none" of a descriptor's flags; empty for flags that are none of
// these.
std::string_view KdumpCodecName(uint32_t flags);
// The opposite; nothing for a codec that the format does not have.
std::optional<uint32_t> KdumpCodecFlag(std::string_view codec);
// What utsname.machine is on such a machine; empty where KdumpElfMachine() knows none.
std::string_view KdumpMachineName(uint16_t elf_machine);
// The layout of a machine with words of so many bytes.
KdumpLayout KdumpLayoutOf(int word_bytes, std::string_view machine);

}  // namespace hmem::format
