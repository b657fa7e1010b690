// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hmem::source {

using format::FrameHeader;
using format::FrameType;

void NoteUnreadable(uint64_t offset, const Error& error, Findings& findings) {
  findings.Add(Severity::kLoss, "hmem.io", fmt::format("file offset {:#x}", offset),
               fmt::format("the dump cannot be read here: {}", error.ToString()));
}

HmemFile HmemFile::Over(std::string path, uint64_t bytes, Reader reader) {
  HmemFile file;
  file.path_ = std::move(path);
  file.bytes_ = bytes;
  file.reader_ = std::move(reader);
  return file;
}

Result<HmemFile> HmemFile::Open(const std::string& path) {
  HmemFile file;
  file.path_ = path;
  HMEM_ASSIGN(file.fd_, OpenFile(path, O_RDONLY));
  struct stat st;
  if (::fstat(file.fd_.get(), &st) != 0) return FailErrno(path, errno);
  if (S_ISREG(st.st_mode)) {
    file.bytes_ = static_cast<uint64_t>(st.st_size);
  } else if (S_ISBLK(st.st_mode)) {
    file.is_device_ = true;
    if (::ioctl(file.fd_.get(), BLKGETSIZE64, &file.bytes_) != 0)
      return FailErrno(fmt::format("{}: BLKGETSIZE64", path), errno);
  } else {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: neither a regular file nor a block device", path));
  }
  return file;
}

Result<size_t> HmemFile::ReadSome(uint64_t offset, std::span<std::byte> out) const {
  // Offsets out of a damaged END or CHUNK: behind the end is short, not an error of the system.
  if (offset >= bytes_) return size_t{0};
  out = out.first(std::min<uint64_t>(out.size(), bytes_ - offset));
  return reader_ ? reader_(offset, out) : PreadSome(fd_.get(), out, offset, path_);
}

size_t HmemFile::ReadAround(uint64_t offset, std::span<std::byte> out, Findings& findings) const {
  if (auto got = ReadSome(offset, out)) return *got;
  size_t done = 0;
  while (done < out.size() && offset + done < bytes_) {
    uint64_t at = offset + done;
    uint64_t piece_end = std::min((at / kPieceBytes + 1) * kPieceBytes, bytes_);
    auto piece = out.subspan(done, std::min<uint64_t>(out.size() - done, piece_end - at));
    auto got = ReadSome(at, piece);
    if (!got) {
      std::fill(piece.begin(), piece.end(), std::byte{0});
      NoteUnreadable(at, got.error(), findings);
    } else if (*got < piece.size()) {
      return done + *got;
    }
    done += piece.size();
  }
  return done;
}

Status HmemFile::ReadExactly(uint64_t offset, std::span<std::byte> out) const {
  HMEM_ASSIGN(size_t got, ReadSome(offset, out));
  if (got != out.size()) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("{}: file offset {:#x}: {} bytes wanted, {} left", path_, offset,
                            out.size(), got));
  }
  return {};
}

Result<FrameHeader> HmemFile::ReadHeader(uint64_t offset) const {
  std::array<std::byte, format::kFrameHeaderBytes> bytes;
  HMEM_TRY(ReadExactly(offset, bytes));
  return Within(fmt::format("{}: file offset {:#x}", path_, offset),
                format::DecodeFrameHeader(bytes));
}

Result<std::vector<std::byte>> HmemFile::ReadPayload(const FrameAt& frame) const {
  std::vector<std::byte> payload(frame.header.stored_bytes);
  HMEM_TRY(ReadExactly(frame.offset + format::kFrameHeaderBytes, payload));
  if (format::PayloadDigest(payload) != frame.header.payload_xxh3) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: file offset {:#x}: {} frame: payload digest does not match", path_,
                            frame.offset, format::FrameTypeName(frame.header.type)));
  }
  return payload;
}

bool FrameWalker::Acceptable(const FrameHeader& header) const {
  if (header.dump_id != dump_id_ || format::SequenceAttempt(header.sequence) < attempt_)
    return false;
  return !last_number_ || format::SequenceNumber(header.sequence) > *last_number_;
}

std::optional<FrameAt> FrameWalker::Next(Findings& findings) {
  if (ended_) return std::nullopt;
  std::optional<FrameAt> frame;
  if (position_ < file_->bytes()) {
    Result<FrameHeader> header = file_->ReadHeader(position_);
    if (!header && header.error().code() == ErrorCode::kIo) {
      damaged_ = true;
      NoteUnreadable(position_, header.error(), findings);
    }
    if (header && Acceptable(*header)) frame = FrameAt{position_, *header};
    if (!frame) {
      frame = Search(position_ + format::kFrameAlign, findings);
      if (frame) {
        damaged_ = true;
        findings.Add(Severity::kLoss, "hmem.damage",
                     fmt::format("file offset {:#x} to {:#x}", position_, frame->offset),
                     "frame headers are damaged here; these bytes were skipped, the frames behind "
                     "them are used");
      }
    } else if (last_number_ && format::SequenceNumber(header->sequence) != *last_number_ + 1) {
      damaged_ = true;
      findings.Add(Severity::kLoss, "hmem.frames-missing",
                   fmt::format("file offset {:#x}", position_),
                   "frame numbers jump here: the frames between were never written or are lost");
    }
  }
  if (!frame) {
    ended_ = true;
    NoteEnd(position_, findings);
    return std::nullopt;
  }
  uint64_t end;
  if (!CheckedAdd(frame->offset, frame->header.total_bytes(), &end) || end > file_->bytes()) {
    ended_ = true;
    findings.Add(Severity::kLoss, "hmem.cut", fmt::format("file offset {:#x}", frame->offset),
                 fmt::format("the file is cut inside a {} frame; that frame is lost",
                             format::FrameTypeName(frame->header.type)));
    return std::nullopt;
  }
  position_ = end_offset_ = end;
  attempt_ = format::SequenceAttempt(frame->header.sequence);
  last_number_ = format::SequenceNumber(frame->header.sequence);
  ended_ = frame->header.type == FrameType::kEnd;
  return frame;
}

bool FrameWalker::Look(uint64_t at, size_t bytes, Findings& findings) {
  if (at >= window_at_ && at + format::kFrameHeaderBytes <= window_at_ + window_.size())
    return true;
  window_at_ = at;
  window_.resize(bytes);
  window_.resize(file_->ReadAround(at, window_, findings));
  searched_bytes_ += window_.size();
  return window_.size() >= format::kFrameHeaderBytes;
}

std::optional<FrameAt> FrameWalker::Search(uint64_t from, Findings& findings) {
  uint64_t limit = file_->bytes();
  if (file_->is_device()) limit = std::min(limit, from + kMaxDeviceSearchBytes);
  size_t step = kFirstWindow;
  for (uint64_t at = from; at < limit; at += format::kFrameAlign) {
    uint64_t before = searched_bytes_;
    if (!Look(at, step, findings)) break;
    if (searched_bytes_ != before) step = std::min(2 * step, kMaxWindow);
    auto bytes = std::span(window_).subspan(at - window_at_, format::kFrameHeaderBytes);
    if (!std::equal(format::kFrameMagic.begin(), format::kFrameMagic.end(), bytes.begin()))
      continue;
    Result<FrameHeader> header = format::DecodeFrameHeader(bytes);
    if (header && Acceptable(*header)) return FrameAt{at, *header};
  }
  return std::nullopt;
}

void FrameWalker::NoteEnd(uint64_t at, Findings& findings) const {
  std::string place = fmt::format("file offset {:#x}", at);
  Result<FrameHeader> header =
      at < file_->bytes() ? file_->ReadHeader(at) : Fail(ErrorCode::kTruncated, "");
  if (header && header->dump_id != dump_id_) {
    findings.Add(Severity::kLoss, "hmem.cut", place,
                 fmt::format("the dump is cut here; behind it lies dump {}, which was not used",
                             format::DumpIdText(header->dump_id)));
  } else if (header) {
    findings.Add(
        Severity::kLoss, "hmem.cut", place,
        fmt::format("the dump is cut here; behind it lie frames of attempt {}, which were not used",
                    format::SequenceAttempt(header->sequence)));
  } else if (at < file_->bytes()) {
    findings.Add(Severity::kLoss, "hmem.cut", place,
                 "the dump is cut here; no frame of it lies behind");
  } else {
    findings.Add(Severity::kLoss, "hmem.cut", place, "the file ends without an END frame");
  }
}

}  // namespace hmem::source
