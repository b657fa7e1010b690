// SPDX-License-Identifier: GPL-2.0-or-later
// Pages into frames of an .hmem stream: PAGES of independently packed blocks, and FATE for what has
// no data. The stream's first and last frames are its owner's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dumptools/capture/writer/dump_writer.h"
#include "dumptools/capture/writer/hmem_writer.h"
#include "hmem/codec/codec.h"

namespace hmem::capture {

class HmemPageWriter final : public DumpWriter {
 public:
  // Both must outlive it.
  HmemPageWriter(HmemWriter& writer, const codec::Codec& codec, int level);

  bool packs() const override { return codec_.hmem_id != 0; }
  Status Prepare() const override;
  // A block that does not shrink is stored raw.
  Status Pack(PageBatch& batch) const override;
  // Fates are gathered over batches and written before the next pages, so that a cut behind these
  // leaves nothing in between unexplained.
  Status Write(const PageBatch& batch) override;
  // Fates too.
  Status Flush() override;
  uint64_t dump_bytes() const override { return writer_.offset(); }

  // What was gathered; Flush() begins with it.
  Status WriteFates();
  // Fates that were taken and found no room in the stream: they are in no frame.
  std::span<const format::FateRun> unwritten() const { return fates_; }

 private:
  Status AddFate(const FateOfRun& run);
  // The blocks of `raw`, back to back into `out`; says how many bytes and tells `head` of them.
  Result<size_t> PackBlocks(std::span<const std::byte> raw, std::span<std::byte> out,
                            format::PagesHead& head) const;

  HmemWriter& writer_;
  const codec::Codec& codec_;
  int level_;
  uint64_t fates_first_pfn_ = 0;
  std::vector<format::FateRun> fates_;  // relative to it
};

}  // namespace hmem::capture
