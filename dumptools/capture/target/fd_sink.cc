// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/fd_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hmem::capture {
namespace {

constexpr uint64_t kDropStep = 8 << 20;

}  // namespace

Status FdSink::Append(std::span<const std::byte> bytes) {
  if (kind_ == Kind::kStream) {
    HMEM_TRY(WriteAll(fd_.get(), bytes, name_));
    offset_ += bytes.size();
    return {};
  }
  HMEM_TRY(PwriteAll(fd_.get(), bytes, offset_, name_));
  offset_ += bytes.size();
  if (offset_ - dropped_until_ >= 2 * kDropStep) return DropWritten();
  return {};
}

Status FdSink::AppendZeros(uint64_t bytes) {
  if (kind_ == Kind::kFile) {
    offset_ += bytes;
    return {};
  }
  static constexpr std::array<std::byte, 64 * 1024> kZeros{};
  while (bytes > 0) {
    size_t n = std::min<uint64_t>(bytes, kZeros.size());
    HMEM_TRY(Append(std::span(kZeros).first(n)));
    bytes -= n;
  }
  return {};
}

Status FdSink::DropWritten() {
  // The newest step is only started; the one before is waited for and dropped, so the disk always
  // has work.
  off_t start = static_cast<off_t>(dropped_until_);
  off_t middle = static_cast<off_t>(offset_ - kDropStep);
  HMEM_TRY(SyncRange(middle, static_cast<off_t>(kDropStep), SYNC_FILE_RANGE_WRITE));
  HMEM_TRY(
      SyncRange(start, middle - start,
                SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
  ::posix_fadvise(fd_.get(), start, middle - start, POSIX_FADV_DONTNEED);
  dropped_until_ = static_cast<uint64_t>(middle);
  return {};
}

// The kernel tells of a write that failed once for each open file (mm/filemap.c,
// file_check_and_advance_wb_err): when it tells us here, fdatasync() will no longer.
Status FdSink::SyncRange(off_t start, off_t bytes, unsigned flags) {
  if (::sync_file_range(fd_.get(), start, bytes, flags) == 0) return {};
  if (errno == ENOSYS || errno == EINVAL || errno == ESPIPE) return {};
  lost_errno_ = errno;
  return FailErrno(fmt::format("{}: writing back", name_), lost_errno_);
}

Status FdSink::Reserve(uint64_t bytes) {
  switch (kind_) {
    case Kind::kStream:
      return {};
    case Kind::kDevice:
      if (bytes > device_bytes_ || offset_ > device_bytes_ - bytes) return FailErrno(name_, ENOSPC);
      return {};
    case Kind::kFile:
      break;
  }
  int rc;
  do {
    rc = ::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset_),
                     static_cast<off_t>(bytes));
  } while (rc != 0 && errno == EINTR);
  if (rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return {};
  if (errno == EDQUOT || errno == EFBIG) return FailErrno(name_, ENOSPC);
  return FailErrno(name_, errno);
}

Status FdSink::Sync() {
  if (kind_ == Kind::kStream) return {};
  if (lost_errno_ != 0) return FailErrno(fmt::format("{}: writing back", name_), lost_errno_);
  int rc;
  do {
    rc = ::fdatasync(fd_.get());
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return FailErrno(fmt::format("{}: fdatasync", name_), errno);
  return {};
}

Status FdSink::Close() {
  if (kind_ == Kind::kFile) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(offset_)) != 0)
      return FailErrno(fmt::format("{}: truncate", name_), errno);
    if (lost_errno_ != 0) return FailErrno(fmt::format("{}: writing back", name_), lost_errno_);
    if (::fsync(fd_.get()) != 0) return FailErrno(fmt::format("{}: fsync", name_), errno);
  }
  return fd_.Close(name_);
}

}  // namespace hmem::capture
