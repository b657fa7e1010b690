// SPDX-License-Identifier: GPL-2.0-or-later
// A sink on a file descriptor: a regular file, a block device, or a stream (pipe, socket,
// terminal).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "dumptools/capture/target/positioned_fd_sink.h"
#include "dumptools/capture/writer/dump_sink.h"
#include "hmem/base/fd.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class FdSink final : public DumpSink {
 public:
  using Kind = PositionedFdSink::Kind;

  // Appends from `offset` on. `device_bytes` is the size of a device, ignored otherwise.
  FdSink(UniqueFd fd, Kind kind, std::string name, uint64_t offset, uint64_t device_bytes = 0)
      : file_(std::move(fd), kind, std::move(name), offset, device_bytes), offset_(offset) {}

  const std::string& name() const override { return file_.name(); }
  // A failed Append may be repeated on a file or device: it writes to the same place.
  Status Append(std::span<const std::byte> bytes) override {
    HMEM_TRY(file_.WriteAt(offset_, bytes));
    offset_ += bytes.size();
    return {};
  }
  Status Reserve(uint64_t bytes) override { return file_.Reserve(offset_, bytes); }
  Status Sync() override { return file_.Sync(); }

  // The same target for a format that writes at several places; not to be mixed with Append().
  PositionedFdSink& positioned() { return file_; }
  uint64_t offset() const { return offset_; }
  // Gives back what was reserved and not used (files), and closes.
  Status Close() { return file_.Close(); }

 private:
  PositionedFdSink file_;
  uint64_t offset_;
};

}  // namespace hmem::capture
