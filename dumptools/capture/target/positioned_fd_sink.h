// SPDX-License-Identifier: GPL-2.0-or-later
// A positioned sink on a file descriptor: a regular file, a block device, or a stream (pipe,
// socket, terminal), which takes what comes in ascending order.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "dumptools/capture/writer/positioned_sink.h"
#include "hmem/base/fd.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class PositionedFdSink final : public PositionedSink {
 public:
  enum class Kind { kFile, kDevice, kStream };

  // What lies before `start` is somebody else's. `device_bytes` is the size of a device, ignored
  // otherwise.
  PositionedFdSink(UniqueFd fd, Kind kind, std::string name, uint64_t start = 0,
                   uint64_t device_bytes = 0)
      : fd_(std::move(fd)),
        kind_(kind),
        name_(std::move(name)),
        end_(start),
        device_bytes_(device_bytes) {}

  const std::string& name() const override { return name_; }
  bool can_go_back() const override { return kind_ != Kind::kStream; }
  // A failed call may be repeated on a file or device. On a device and a stream what was passed
  // over is filled with zeros; on a stream kIo with ESPIPE: the place went by.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override;
  Status Reserve(uint64_t offset, uint64_t bytes) override;
  Status Sync() override;

  // Behind the last byte that was written.
  uint64_t end() const { return end_; }
  // Gives back what was reserved behind end() (files), and closes.
  Status Close();

 private:
  Status Put(uint64_t offset, std::span<const std::byte> bytes);
  Status PutZeros(uint64_t offset, uint64_t bytes);
  Status FillTo(uint64_t offset);
  // Starts writeback and lets go of pages already written: the capture kernel has no memory to
  // spare for them.
  Status DropWritten();

  UniqueFd fd_;
  Kind kind_;
  std::string name_;
  uint64_t end_;
  uint64_t device_bytes_;
  uint64_t undropped_bytes_ = 0;
  int lost_errno_ = 0;  // of a page that never reached the disk
};

}  // namespace hmem::capture
