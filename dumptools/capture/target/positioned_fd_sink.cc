// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/positioned_fd_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hmem::capture {
namespace {

constexpr uint64_t kDropStep = 8 << 20;
// A device zeroes by itself from so much on, in multiples of what every block size divides.
constexpr uint64_t kZeroOutBytes = 1 << 20;
constexpr uint64_t kZeroOutAlign = 4096;

}  // namespace

Status PositionedFdSink::Put(uint64_t offset, std::span<const std::byte> bytes) {
  if (kind_ == Kind::kStream) {
    HMEM_TRY(WriteAll(fd_.get(), bytes, name_));
    end_ = offset + bytes.size();
    return {};
  }
  HMEM_TRY(PwriteAll(fd_.get(), bytes, offset, name_));
  end_ = std::max(end_, offset + bytes.size());
  undropped_bytes_ += bytes.size();
  return undropped_bytes_ >= kDropStep ? DropWritten() : Status();
}

Status PositionedFdSink::PutZeros(uint64_t offset, uint64_t bytes) {
  static constexpr std::array<std::byte, 64 * 1024> kZeros{};
  while (bytes > 0) {
    size_t n = std::min<uint64_t>(bytes, kZeros.size());
    HMEM_TRY(Put(offset, std::span(kZeros).first(n)));
    offset += n;
    bytes -= n;
  }
  return {};
}

Status PositionedFdSink::FillTo(uint64_t offset) {
  uint64_t aligned = (end_ + kZeroOutAlign - 1) / kZeroOutAlign * kZeroOutAlign;
  if (kind_ == Kind::kDevice && offset >= aligned && offset - aligned >= kZeroOutBytes) {
    HMEM_TRY(PutZeros(end_, aligned - end_));
    uint64_t range[2] = {aligned, (offset - aligned) / kZeroOutAlign * kZeroOutAlign};
    if (::ioctl(fd_.get(), BLKZEROOUT, range) == 0) end_ = aligned + range[1];
  }
  return PutZeros(end_, offset - end_);
}

Status PositionedFdSink::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  if (kind_ == Kind::kStream && offset < end_)
    return FailErrno(fmt::format("{}: offset {:#x} went by", name_, offset), ESPIPE);
  if (kind_ == Kind::kDevice) HMEM_TRY(Reserve(offset, bytes.size()));
  if (kind_ != Kind::kFile && offset > end_) HMEM_TRY(FillTo(offset));
  return Put(offset, bytes);
}

// The newest step is only started; the one before is waited for, so the disk always has work.
Status PositionedFdSink::DropWritten() {
  undropped_bytes_ = 0;
  // The kernel tells of a write that failed once for each open file (mm/filemap.c,
  // file_check_and_advance_wb_err): when it tells us here, fdatasync() will no longer.
  if (::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE) !=
          0 &&
      errno != ENOSYS && errno != EINVAL && errno != ESPIPE) {
    lost_errno_ = errno;
    return FailErrno(fmt::format("{}: writing back", name_), lost_errno_);
  }
  ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
  return {};
}

Status PositionedFdSink::Reserve(uint64_t offset, uint64_t bytes) {
  switch (kind_) {
    case Kind::kStream:
      return {};
    case Kind::kDevice:
      if (bytes > device_bytes_ || offset > device_bytes_ - bytes) return FailErrno(name_, ENOSPC);
      return {};
    case Kind::kFile:
      break;
  }
  if (bytes == 0) return {};
  int rc;
  do {
    rc = ::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(bytes));
  } while (rc != 0 && errno == EINTR);
  if (rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return {};
  if (errno == EDQUOT || errno == EFBIG) return FailErrno(name_, ENOSPC);
  return FailErrno(name_, errno);
}

Status PositionedFdSink::Sync() {
  if (kind_ == Kind::kStream) return {};
  if (lost_errno_ != 0) return FailErrno(fmt::format("{}: writing back", name_), lost_errno_);
  int rc;
  do {
    rc = ::fdatasync(fd_.get());
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return FailErrno(fmt::format("{}: fdatasync", name_), errno);
  return {};
}

Status PositionedFdSink::Close() {
  if (kind_ == Kind::kFile) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0)
      return FailErrno(fmt::format("{}: truncate", name_), errno);
    if (lost_errno_ != 0) return FailErrno(fmt::format("{}: writing back", name_), lost_errno_);
    if (::fsync(fd_.get()) != 0) return FailErrno(fmt::format("{}: fsync", name_), errno);
  }
  return fd_.Close(name_);
}

}  // namespace hmem::capture
