// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/old_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "hmem/base/fd.h"
#include "hmem/uapi/hmem.h"

namespace hmem::init {

Result<uint64_t> VmcoreBytes(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return FailErrno(path, errno);
  return static_cast<uint64_t>(st.st_size);
}

// Also where the driver reads nothing, so that hmemdump says why.
Result<uint64_t> DeviceBytes(const std::string& path) {
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  hmem_info info{};
  if (::ioctl(fd.get(), HMEM_INFO, &info) != 0)
    return FailErrno(fmt::format("{}: HMEM_INFO", path), errno);
  return info.ram_bytes;
}

Result<OldMemory> OldMemory::Choose(plan::SourceChoice choice, const Result<uint64_t>& device_bytes,
                                    const Result<uint64_t>& vmcore_bytes) {
  OldMemory memory;
  if (device_bytes) memory.ways_.push_back({kDevicePath, *device_bytes});
  if (vmcore_bytes) memory.ways_.push_back({kVmcorePath, *vmcore_bytes});
  if (memory.ways_.empty()) return std::unexpected(vmcore_bytes.error());
  if (choice == plan::SourceChoice::kVmcore) std::reverse(memory.ways_.begin(), memory.ways_.end());
  return memory;
}

std::string_view OldMemory::source() const {
  return name() == kDevicePath ? std::string_view() : name();
}

std::string OldMemory::Text() const {
  std::string text;
  for (const Way& way : ways_) {
    text += fmt::format("{}{} MiB in {}", text.empty() ? "" : ", ", way.bytes >> 20, way.path);
  }
  return text;
}

uint64_t OldMemory::bytes() const {
  uint64_t most = 0;
  for (const Way& way : ways_) most = std::max(most, way.bytes);
  return most;
}

bool OldMemory::StepOver() {
  if (ways_.size() < 2) return false;
  next_ = (next_ + 1) % ways_.size();
  return true;
}

}  // namespace hmem::init
