// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/file_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "hmem/base/address.h"
#include "hmem/base/fd.h"

namespace hmem::capture {
namespace {

// renameat2 with RENAME_NOREPLACE, which some file systems lack; link(2) refuses an existing name
// as well.
Status RenameNew(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS)
    return FailErrno(fmt::format("{}: rename to {}", from, to), errno);
  struct stat st;
  if (::lstat(to.c_str(), &st) == 0)
    return FailErrno(fmt::format("{}: rename to {}", from, to), EEXIST);
  if (::rename(from.c_str(), to.c_str()) != 0)
    return FailErrno(fmt::format("{}: rename to {}", from, to), errno);
  return {};
}

std::string DirectoryOf(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

}  // namespace

Status FileTarget::MayCreate(const std::string& path) {
  HMEM_TRY(MayMakeFile(path));
  return MayMakeFile(path + std::string(kSuffix));
}

Result<FileTarget> FileTarget::Create(const std::string& path) {
  struct stat st;
  if (::lstat(path.c_str(), &st) == 0)
    return FailErrno(fmt::format("{}: not overwritten", path), EEXIST);
  FileTarget target;
  target.path_ = path;
  std::string incomplete = target.incomplete_path();
  HMEM_ASSIGN(UniqueFd fd, OpenFile(incomplete, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  if (Status synced = SyncParentDirectory(incomplete); !synced) {
    ::unlink(incomplete.c_str());
    return std::unexpected(synced.error());
  }
  target.sink_ = std::make_unique<FdSink>(std::move(fd), FdSink::Kind::kFile, incomplete, 0);
  return target;
}

Status FileTarget::Commit() {
  HMEM_TRY(sink_->Close());
  HMEM_TRY(RenameNew(incomplete_path(), path_));
  renamed_ = true;
  return SyncParentDirectory(path_);
}

Status FileTarget::Leave() { return sink_->Close(); }

void FileTarget::Discard() {
  ::unlink(incomplete_path().c_str());
  sink_.reset();
}

Status MayMakeFile(const std::string& path) {
  struct stat st;
  if (::lstat(path.c_str(), &st) == 0)
    return FailErrno(fmt::format("{}: not overwritten", path), EEXIST);
  std::string directory = DirectoryOf(path);
  if (::access(directory.c_str(), W_OK | X_OK) != 0) return FailErrno(directory, errno);
  return {};
}

Result<uint64_t> FreeBytes(const std::string& path) {
  std::string directory = DirectoryOf(path);
  struct statvfs st;
  if (::statvfs(directory.c_str(), &st) != 0) return FailErrno(directory, errno);
  uint64_t bytes;
  // Root, as which this runs in a capture kernel, may use the reserved blocks too.
  uint64_t blocks = ::geteuid() == 0 ? st.f_bfree : st.f_bavail;
  if (!CheckedMul(blocks, st.f_frsize, &bytes)) bytes = ~uint64_t{0};
  return bytes;
}

}  // namespace hmem::capture
