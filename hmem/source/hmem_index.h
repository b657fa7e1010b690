// SPDX-License-Identifier: GPL-2.0-or-later
// What an .hmem dump holds and where: its HEADER and END, and every PAGES and FATE frame by pfn.
// Built from the chain of CHUNK frames when END is there, by following every frame otherwise. 40
// bytes a frame (a frame speaks for up to 1 MiB of pages).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/source/hmem_stream.h"
#include "hmem/source/pfn_set.h"
#include "hmem/v1/dump.pb.h"

namespace hmem::source {

struct IndexedFrame {
  uint64_t offset = 0;
  uint64_t first_pfn = 0;
  uint64_t reach = 0;  // highest end pfn of this and all frames before it in the index
  uint32_t page_count = 0;
  format::FrameType type = format::FrameType::kPad;

  uint64_t end_pfn() const { return first_pfn + page_count; }
};

struct HmemIndex {
  static constexpr uint64_t kMaxFrames = 1 << 25;  // 32 TiB of pages
  static constexpr uint64_t kMaxNoteBytes = 64 << 20;

  format::DumpId dump_id{};
  v1::DumpHeader header;
  std::optional<v1::DumpEnd> end;
  std::vector<IndexedFrame> frames;  // PAGES and FATE, by first_pfn
  std::vector<std::byte> notes;
  std::vector<std::byte> first_failure;
  bool damaged = false;
  // PAGES or FATE frames in the middle are lost: what no frame speaks of may have been in them.
  bool frames_lost = false;

  // HEADER must be whole: kTruncated, kCorrupt, kUnsupported or kIo name what is wrong with it.
  // Everything else that is broken or cannot be read becomes findings.
  static Result<HmemIndex> Build(const HmemFile& file, Findings& findings);

  // Upper bound of what the dump speaks of, from frame headers alone.
  PfnSet Coverage() const;
};

// The closing finding of a dump that does not speak of all RAM.
void ReportNotReached(const HmemIndex& index, const PfnSet& covered, Findings& findings);

// RAM of the old kernel in pfns, rounded outwards. The header's ranges are known to be sorted and
// disjoint.
std::vector<PfnRange> RamPfns(const v1::DumpHeader& header);

}  // namespace hmem::source
