// SPDX-License-Identifier: GPL-2.0-or-later
// The flattened form of a format with several places to write at, for a target that only takes
// bytes in a row. Layout: hmem/format/flattened.h. Memory: 1 MiB and the largest record.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dumptools/capture/writer/dump_sink.h"
#include "dumptools/capture/writer/positioned_sink.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class FlattenedSink final : public PositionedSink {
 public:
  // `out` must outlive it. Of `max_bytes`, as much as the first Reserve() asks for stays for what
  // is written at the end: a format's headers, which all may be written twice.
  explicit FlattenedSink(DumpSink& out, uint64_t max_bytes = ~uint64_t{0});

  const std::string& name() const override { return out_.name(); }
  // kIo with ENOSPC, kLimit: nothing of it is in the stream.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override;
  // What was asked for stays asked for until it is written, wherever it lies. kLimit: the stream
  // would grow past its limit.
  Status Reserve(uint64_t offset, uint64_t bytes) override;
  Status Sync() override;
  // The end mark, durable.
  Status Finish();

  // Bytes of the stream so far, those not yet given to the target included.
  uint64_t stream_bytes() const { return stream_bytes_; }

 private:
  Status Take(std::span<const std::byte> head, std::span<const std::byte> bytes);
  Status WriteOut();

  Status LimitReached() const;

  DumpSink& out_;
  uint64_t max_bytes_;
  uint64_t end_bytes_ = 0;  // what may still be to be written when no page has room any more
  std::vector<std::byte> buffer_;
  uint64_t stream_bytes_ = 0;
  uint64_t promised_bytes_ = 0;
};

}  // namespace hmem::capture
