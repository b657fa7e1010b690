// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "hmem/base/fd.h"

namespace hmem::source {
namespace {

class SystemHmemDevice final : public HmemDevice {
 public:
  SystemHmemDevice(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  const std::string& path() const override { return path_; }
  int Info(hmem_info& info) const override { return Call(HMEM_INFO, &info); }
  int Regions(hmem_regions& request) const override { return Call(HMEM_REGIONS, &request); }
  int Notes(hmem_notes& request) const override { return Call(HMEM_NOTES, &request); }
  int ReadV(hmem_readv& request) const override { return Call(HMEM_READV, &request); }
  Result<FileMapping> Map(PhysAddr start, size_t bytes) const override {
    return FileMapping::Map(fd_.get(), start.value, bytes, path_);
  }

 private:
  int Call(unsigned long command, void* argument) const {
    return ::ioctl(fd_.get(), command, argument) == 0 ? 0 : errno;
  }

  UniqueFd fd_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<HmemDevice>> OpenHmemDevice(const std::string& path) {
  // O_NONBLOCK: a serial line, named by mistake, is not waited for.
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return FailErrno(fmt::format("{}: stat", path), errno);
  if (!S_ISCHR(info.st_mode))
    return Fail(ErrorCode::kUnsupported, fmt::format("{}: not a character device", path));
  return std::make_unique<SystemHmemDevice>(std::move(fd), path);
}

}  // namespace hmem::source
