// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace hmem {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.Release();
  }
  return *this;
}

int UniqueFd::Release() {
  int fd = fd_;
  fd_ = -1;
  return fd;
}

void UniqueFd::Reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Status UniqueFd::Close(std::string_view path) {
  if (::close(Release()) != 0) return FailErrno(fmt::format("{}: close", path), errno);
  return {};
}

Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return FailErrno(path, errno);
  return UniqueFd(fd);
}

Result<size_t> PreadSome(int fd, std::span<std::byte> out, uint64_t offset, std::string_view path) {
  size_t done = 0;
  while (done < out.size()) {
    ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(fmt::format("{}: offset {:#x}: read", path, offset + done), errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Status WriteAll(int fd, std::span<const std::byte> bytes, std::string_view path) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(fmt::format("{}: write", path), errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status PwriteAll(int fd, std::span<const std::byte> bytes, uint64_t offset, std::string_view path) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(fmt::format("{}: offset {:#x}: write", path, offset), errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t max_bytes) {
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  std::vector<std::byte> bytes;
  constexpr size_t kStep = 64 * 1024;
  for (;;) {
    size_t old = bytes.size();
    bytes.resize(old + kStep);
    ssize_t n = ::read(fd.get(), bytes.data() + old, kStep);
    if (n < 0 && errno == EINTR)
      n = 0;
    else if (n < 0)
      return FailErrno(fmt::format("{}: read", path), errno);
    else if (n == 0) {
      bytes.resize(old);
      return bytes;
    }
    bytes.resize(old + static_cast<size_t>(n));
    if (bytes.size() > max_bytes) {
      return Fail(ErrorCode::kLimit, fmt::format("{}: larger than {} bytes", path, max_bytes));
    }
  }
}

Result<std::string> ReadTextFile(const std::string& path, size_t max_bytes) {
  HMEM_ASSIGN(auto bytes, ReadFile(path, max_bytes));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Status SyncParentDirectory(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string dir = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  HMEM_ASSIGN(UniqueFd fd, OpenFile(dir, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return FailErrno(fmt::format("{}: fsync", dir), errno);
  return {};
}

}  // namespace hmem
