// SPDX-License-Identifier: GPL-2.0-or-later
// An .hmem file or device as a row of frames: following headers, rejecting what is not of this
// dump, resynchronising after damage. Layout: hmem/format/hmem_frame.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/fd.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/format/hmem_frame.h"

namespace hmem::source {

struct FrameAt {
  uint64_t offset = 0;
  format::FrameHeader header;
};

// The finding of bytes that the file system or device does not give; they count as damaged.
void NoteUnreadable(uint64_t offset, const Error& error, Findings& findings);

// An open file or block device. Only positioned reads; safe from several threads.
class HmemFile {
 public:
  // Reads up to out.size() bytes at an offset; fewer only at the end. kIo.
  using Reader = std::function<Result<size_t>(uint64_t offset, std::span<std::byte> out)>;
  // What is lost of a read at the least when a sector of it cannot be read.
  static constexpr uint64_t kPieceBytes = 4 << 10;

  static Result<HmemFile> Open(const std::string& path);
  // Bytes that lie elsewhere than in a file.
  static HmemFile Over(std::string path, uint64_t bytes, Reader reader);

  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }
  bool is_device() const { return is_device_; }

  // kTruncated when the file ends before `out` is full.
  Status ReadExactly(uint64_t offset, std::span<std::byte> out) const;
  Result<format::FrameHeader> ReadHeader(uint64_t offset) const;
  // kCorrupt when the digest does not match.
  Result<std::vector<std::byte>> ReadPayload(const FrameAt& frame) const;
  // Up to out.size(); fewer only at the end.
  Result<size_t> ReadSome(uint64_t offset, std::span<std::byte> out) const;
  // The same where a part that cannot be read costs that part: kPieceBytes around it read as zeros
  // and are a finding.
  size_t ReadAround(uint64_t offset, std::span<std::byte> out, Findings& findings) const;

 private:
  UniqueFd fd_;
  Reader reader_;  // where there is no fd_
  std::string path_;
  uint64_t bytes_ = 0;
  bool is_device_ = false;
};

// Visits the frames of one dump in file order.
class FrameWalker {
 public:
  // Behind damage on a device (whose size says nothing about the dump) frames are looked for only
  // so far.
  static constexpr uint64_t kMaxDeviceSearchBytes = 64 << 20;
  // A search begins with a read of kFirstWindow and doubles up to kMaxWindow. The window is kept:
  // a file in which every other frame is damaged is read by searches once, not once a search.
  static constexpr size_t kFirstWindow = 4 << 10;
  static constexpr size_t kMaxWindow = 1 << 20;

  FrameWalker(const HmemFile& file, const format::DumpId& dump_id)
      : file_(&file), dump_id_(dump_id) {}

  // The next frame that lies whole in the file; nothing when the stream ends, by END or otherwise.
  // Damage on the way becomes findings, what cannot be read too.
  std::optional<FrameAt> Next(Findings& findings);

  // Where the stream ends: behind the last frame that was returned.
  uint64_t end_offset() const { return end_offset_; }
  bool damaged() const { return damaged_; }
  // What searches behind damage have read: at most what the file holds.
  uint64_t searched_bytes() const { return searched_bytes_; }

 private:
  bool Acceptable(const format::FrameHeader& header) const;
  // The next acceptable header at or behind `from`; nothing when there is none.
  std::optional<FrameAt> Search(uint64_t from, Findings& findings);
  // Makes window_ hold a frame header at `at`, reading `bytes` where it does not; false at the end
  // of the file.
  bool Look(uint64_t at, size_t bytes, Findings& findings);
  void NoteEnd(uint64_t at, Findings& findings) const;

  const HmemFile* file_;
  format::DumpId dump_id_;
  uint64_t position_ = 0;
  uint64_t end_offset_ = 0;
  uint16_t attempt_ = 0;
  std::optional<uint64_t> last_number_;
  bool ended_ = false;
  bool damaged_ = false;
  std::vector<std::byte> window_;
  uint64_t window_at_ = 0;
  uint64_t searched_bytes_ = 0;
};

}  // namespace hmem::source
