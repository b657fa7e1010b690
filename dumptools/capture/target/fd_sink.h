// SPDX-License-Identifier: GPL-2.0-or-later
// A sink on a file descriptor: a regular file, a block device, or a stream (pipe, socket,
// terminal).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

#include "dumptools/capture/writer/dump_sink.h"
#include "hmem/base/fd.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class FdSink final : public DumpSink {
 public:
  enum class Kind { kFile, kDevice, kStream };

  // Appends from `offset` on. `device_bytes` is the size of a device, ignored otherwise.
  FdSink(UniqueFd fd, Kind kind, std::string name, uint64_t offset, uint64_t device_bytes = 0)
      : fd_(std::move(fd)),
        kind_(kind),
        name_(std::move(name)),
        offset_(offset),
        dropped_until_(offset),
        device_bytes_(device_bytes) {}

  const std::string& name() const override { return name_; }
  // A failed Append may be repeated on a file or device: it writes to the same place.
  Status Append(std::span<const std::byte> bytes) override;
  // As many zeros: a hole in a new file, bytes elsewhere.
  Status AppendZeros(uint64_t bytes);
  Status Reserve(uint64_t bytes) override;
  Status Sync() override;

  int fd() const { return fd_.get(); }
  uint64_t offset() const { return offset_; }
  // Gives back what was reserved and not used (files), and closes.
  Status Close();

 private:
  // Starts writeback and lets go of pages already written: the capture kernel has no memory to
  // spare for them.
  Status DropWritten();
  Status SyncRange(off_t start, off_t bytes, unsigned flags);

  UniqueFd fd_;
  Kind kind_;
  std::string name_;
  uint64_t offset_;
  uint64_t dropped_until_;
  uint64_t device_bytes_;
  int lost_errno_ = 0;  // of a page that never reached the disk
};

}  // namespace hmem::capture
