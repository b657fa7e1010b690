// SPDX-License-Identifier: GPL-2.0-or-later
// A dump format as the pipeline sees it: workers pack batches, one thread stores them. How a dump
// begins and ends is each format's own affair.
#pragma once

#include <cstdint>

#include "dumptools/capture/pipeline/page_batch.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class DumpWriter {
 public:
  virtual ~DumpWriter() = default;
  // False: Pack() leaves pages as they are, in batches without room for packing.
  virtual bool packs() const = 0;
  // Takes the memory that packing needs in the thread that calls. kLimit: there is not so much.
  virtual Status Prepare() const = 0;
  // Packs the kept pages of `batch` into its packed bytes; those of a batch that has no room for
  // that stay as they are. Called from several threads at a time, each with a batch of its own.
  // Fails only through a fault of our own.
  virtual Status Pack(PageBatch& batch) const = 0;
  // Stores what became of the pages of a packed batch. Batches come in the order of the scan.
  // kIo with ENOSPC, or kLimit: no room; what is there can still be ended as a valid, shorter
  // dump. Any other failure is of the target itself.
  virtual Status Write(const PageBatch& batch) = 0;
  // Makes durable what was stored, where the format is of use before its end.
  virtual Status Flush() = 0;
  // Bytes of the dump so far, those not yet written out included.
  virtual uint64_t dump_bytes() const = 0;
};

}  // namespace hmem::capture
