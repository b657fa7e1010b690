// SPDX-License-Identifier: GPL-2.0-or-later
// Where a format goes whose parts are written at several places at a time (kdump, ELF): a seekable
// file or device, or the flattened form of one on a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "hmem/base/result.h"

namespace hmem::capture {

class PositionedSink {
 public:
  virtual ~PositionedSink() = default;

  virtual const std::string& name() const = 0;  // for messages
  // False: what was passed over cannot be written any more (a pipe that is given the plain form).
  virtual bool can_go_back() const { return true; }
  // Stores `bytes` at `offset` of the dump, over what an earlier call put there. What no call wrote
  // reads as zeros. kIo; ENOSPC: no room, and what was written before stays as it was.
  virtual Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Room for [offset, offset + bytes), where the target can promise it. kIo with ENOSPC: there is
  // none.
  virtual Status Reserve(uint64_t offset, uint64_t bytes) = 0;
  // Returns when all that was written is durable.
  virtual Status Sync() = 0;
};

}  // namespace hmem::capture
