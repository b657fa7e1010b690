// SPDX-License-Identifier: GPL-2.0-or-later
// What stands in front of the pages of a kdump-compressed file, and where each part lies. Layout:
// hmem/format/kdump_header.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hmem/base/result.h"
#include "hmem/format/kdump_header.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

struct KdumpHead {
  format::KdumpHeader header;  // status is the writer's to set
  format::KdumpSubHeader sub;
  std::vector<std::byte> notes;
  uint64_t first_pfn = 0;  // of bit 0
  uint64_t bits = 0;       // of each bitmap

  uint64_t ram_bitmap_offset() const {
    return uint64_t{header.block_bytes} * (1 + uint64_t{header.sub_header_blocks});
  }
  uint64_t dumped_bitmap_offset() const {
    return ram_bitmap_offset() + uint64_t{header.block_bytes} * (header.bitmap_blocks / 2);
  }
  uint64_t descriptors_offset() const {
    return ram_bitmap_offset() + uint64_t{header.block_bytes} * header.bitmap_blocks;
  }
};

// Names from the crashed kernel's init_uts_ns where its memory can be addressed, else as far as
// VMCOREINFO goes. kLimit: more pages than a bitmap of ours may have. kUnsupported: a machine that
// the format has no name for.
Result<KdumpHead> MakeKdumpHead(const source::MemorySource& source, uint32_t dump_level);

}  // namespace hmem::capture
