// SPDX-License-Identifier: GPL-2.0-or-later
// Where a dump goes: an append-only stream of bytes. The ways to do it are in
// dumptools/capture/target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "hmem/base/result.h"

namespace hmem::capture {

class DumpSink {
 public:
  virtual ~DumpSink() = default;

  // For messages: a path, or "standard output".
  virtual const std::string& name() const = 0;
  // Appends all of `bytes` or fails. After a failure some of them may be there. kIo.
  virtual Status Append(std::span<const std::byte> bytes) = 0;
  // Makes sure that `bytes` more can be appended behind what was appended so far. kIo with ENOSPC:
  // they cannot. A sink that cannot promise (a pipe, a file system without fallocate) says yes.
  virtual Status Reserve(uint64_t bytes) = 0;
  // Returns when all that was appended is durable. kIo: some of it may be lost.
  virtual Status Sync() = 0;
};

}  // namespace hmem::capture
