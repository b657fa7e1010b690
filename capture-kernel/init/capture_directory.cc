// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/capture_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>

#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr int kMaxNames = 1000;
constexpr mode_t kDirectoryMode = 0700;  // dumps hold everybody's data
constexpr std::string_view kIncomplete = ".incomplete";
constexpr std::string_view kAttemptPrefix = "dump.attempt";

std::string StampOf(std::time_t now) {
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return fmt::format("hmem-{:04}{:02}{:02}T{:02}{:02}{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// Every directory of `path` that is missing; durable when it returns.
Status MakeDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string above = path.substr(0, slash);
    if (::mkdir(above.c_str(), 0755) == 0) {
      HMEM_TRY(SyncParentDirectory(above));
    } else if (errno != EEXIST) {
      return FailErrno(above, errno);
    }
    if (slash == std::string::npos) return {};
  }
}

bool IsFile(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode);
}

}  // namespace

Result<CaptureDirectory> CaptureDirectory::Create(const std::string& base, std::time_t now) {
  HMEM_TRY(MakeDirectories(base));
  std::string first = fmt::format("{}/{}", base == "/" ? "" : base, StampOf(now));
  for (int i = 0; i < kMaxNames; ++i) {
    std::string path = i == 0 ? first : fmt::format("{}-{}", first, i);
    if (::mkdir(path.c_str(), kDirectoryMode) == 0) {
      HMEM_TRY(SyncParentDirectory(path));
      return CaptureDirectory(std::move(path));
    }
    if (errno != EEXIST) return FailErrno(path, errno);
  }
  return Fail(ErrorCode::kLimit,
              fmt::format("{}: {} directories of this second", first, kMaxNames));
}

std::string CaptureDirectory::File(std::string_view name) const {
  return fmt::format("{}/{}", path_, name);
}

bool CaptureDirectory::HasRecord() const { return IsFile(File(kRecordFile)); }

bool CaptureDirectory::HasDump() const { return IsFile(File(kDumpFile)); }

Status CaptureDirectory::Sync(std::string_view file) const {
  std::string path = File(file);
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  if (::fsync(fd.get()) != 0) return FailErrno(path, errno);
  return SyncParentDirectory(path);
}

Status CaptureDirectory::KeepAttempt(int attempt) const {
  std::string from = File(fmt::format("{}{}", kDumpFile, kIncomplete));
  std::string to = File(fmt::format("{}{}.hmem{}", kAttemptPrefix, attempt, kIncomplete));
  if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) return FailErrno(from, errno);
  return {};
}

Status CaptureDirectory::RemoveAttempts() const {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path_.c_str()), &::closedir);
  if (!dir) return FailErrno(path_, errno);
  while (const dirent* entry = ::readdir(dir.get())) {
    std::string_view name = entry->d_name;
    if (!name.starts_with(kAttemptPrefix) || !name.ends_with(kIncomplete)) continue;
    if (::unlink(File(name).c_str()) != 0) return FailErrno(File(name), errno);
  }
  return {};
}

Status CaptureDirectory::WriteLog(std::string_view text) const {
  std::string path = File("capture.log");
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  HMEM_TRY(WriteAll(fd.get(), std::as_bytes(std::span(text)), path));
  return fd.Close(path);
}

}  // namespace hmem::init
