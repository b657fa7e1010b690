// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/target_resolver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "capture-kernel/plan/hardware_path.h"
#include "capture-kernel/plan/key_value_text.h"
#include "dumptools/loader/mount_table.h"
#include "hmem/base/fd.h"
#include "hmem/device/device_content.h"

namespace hmem::loader {
namespace {

constexpr size_t kMaxMountInfoBytes = 16 << 20;

std::string BaseName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}
std::string ParentOf(std::string_view path) { return std::string(path.substr(0, path.rfind('/'))); }

// sysfs writes '!' where a device's name has '/'.
std::string NodeOf(std::string_view sysfs_dir) {
  std::string name = BaseName(sysfs_dir);
  std::replace(name.begin(), name.end(), '!', '/');
  return "/dev/" + name;
}

std::unexpected<Error> CannotReplay(std::string_view what, std::string_view kind,
                                    std::string_view under) {
  return Fail(
      ErrorCode::kUnsupported,
      fmt::format("{} ({}) under {}: cannot be replayed by this version", what, kind, under));
}

// "dm-crypt" of a device mapper's uuid "CRYPT-LUKS2-...".
std::string_view MapperKind(std::string_view uuid) {
  if (uuid.starts_with("CRYPT-")) return "dm-crypt";
  if (uuid.starts_with("LVM-")) return "LVM";
  if (uuid.starts_with("mpath-")) return "multipath";
  return "device mapper";
}

// Refuses what a plain probe of the hardware does not bring back.
Status CheckPlainDisk(const Host& host, const std::string& dir, std::string_view under) {
  if (host.Exists(dir + "/dm")) {
    std::string name = host.ReadLine(dir + "/dm/name").value_or(BaseName(dir));
    std::string uuid = host.ReadLine(dir + "/dm/uuid").value_or("");
    return CannotReplay("/dev/mapper/" + name, MapperKind(uuid), under);
  }
  if (host.Exists(dir + "/md")) {
    return CannotReplay(NodeOf(dir), "md " + host.ReadLine(dir + "/md/level").value_or("array"),
                        under);
  }
  if (host.Exists(dir + "/loop")) return CannotReplay(NodeOf(dir), "loop device", under);
  if (dir.find("/session") != std::string::npos) return CannotReplay(NodeOf(dir), "iSCSI", under);
  if (dir.find("/nvme-subsystem/") != std::string::npos) {
    return CannotReplay(NodeOf(dir), "NVMe multipath", under);
  }
  if (dir.starts_with("/sys/devices/virtual/"))
    return CannotReplay(NodeOf(dir), "virtual device", under);
  return {};
}

// Fills everything that the device in sysfs says.
Status DescribeDevice(const Host& host, const std::string& dir, std::string_view under,
                      ResolvedTarget* resolved) {
  std::string disk = dir;
  if (host.Exists(dir + "/partition")) {
    HMEM_ASSIGN(std::string number, host.ReadLine(dir + "/partition"));
    HMEM_ASSIGN(resolved->target.partition,
                Within(dir + "/partition", plan::ParseNumber(number, 1, 1 << 20)));
    disk = ParentOf(dir);
  }
  HMEM_TRY(CheckPlainDisk(host, disk, under));
  HMEM_ASSIGN(std::string sectors, host.ReadLine(dir + "/size"));
  HMEM_ASSIGN(resolved->target.sectors,
              Within(dir + "/size", plan::ParseNumber(sectors, 0, UINT64_MAX)));
  resolved->target.hardware_path = plan::HardwarePath(disk);
  resolved->device_node = NodeOf(dir);
  // A partition has its own flag; a read-only disk makes its partitions so without setting it.
  for (const std::string& device : {dir, disk}) {
    if (host.ReadLine(device + "/ro").value_or("0") != "0") {
      return FailErrno(fmt::format("{}: {}", under, NodeOf(device)), EROFS);
    }
  }
  resolved->devices = DevicesAlong(host, disk);
  if (std::none_of(resolved->devices.begin(), resolved->devices.end(),
                   [](const PathDevice& device) { return device.bound; })) {
    return CannotReplay(NodeOf(dir), "a disk that no hardware driver made", under);
  }
  return {};
}

Status CheckUnused(const Host& host, const std::string& dir, std::string_view path) {
  auto refuse = [&](std::string_view why) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", path, why));
  };
  HMEM_ASSIGN(auto names, host.List(dir));
  for (const std::string& name : names) {
    if (host.Exists(fmt::format("{}/{}/partition", dir, name))) {
      return refuse(fmt::format("has partitions ({}); name one of them", name));
    }
  }
  if (auto holders = host.List(dir + "/holders"); holders && !holders->empty()) {
    return refuse(fmt::format("in use by {}", holders->front()));
  }
  HMEM_ASSIGN(std::string number, host.ReadLine(dir + "/dev"));
  HMEM_ASSIGN(std::string text, host.Read("/proc/self/mountinfo", kMaxMountInfoBytes));
  HMEM_ASSIGN(auto mounts, ParseMountTable(text));
  for (const Mount& mount : mounts) {
    if (mount.device == number) return refuse(fmt::format("mounted on {}", mount.mount_point));
  }
  std::string swaps = host.Read("/proc/swaps").value_or("");
  if (swaps.find(NodeOf(dir) + " ") != std::string::npos) return refuse("in use as swap");
  std::string node = NodeOf(dir);
  HMEM_ASSIGN(UniqueFd fd, OpenFile(host.At(node), O_RDONLY));
  HMEM_ASSIGN(device::DeviceContent content, device::ReadDeviceContent(fd.get(), node));
  if (content.kind == device::DeviceContent::Kind::kKnown ||
      content.kind == device::DeviceContent::Kind::kUnknown) {
    return refuse(
        fmt::format("holds {}, and a crash would write over it; if it may go, clear it: {}",
                    content.Describe(), device::BlankingCommands(node)));
  }
  return {};
}

}  // namespace

Result<ResolvedTarget> ResolvePathTarget(const Host& host, std::string_view path) {
  if (!host.Exists(path))
    return Fail(ErrorCode::kNotFound, fmt::format("{}: no such directory", path));
  if (!host.IsDirectory(path))
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: not a directory", path));
  HMEM_ASSIGN(std::string real, host.RealPath(path));
  HMEM_ASSIGN(std::string text, host.Read("/proc/self/mountinfo", kMaxMountInfoBytes));
  HMEM_ASSIGN(auto mounts, ParseMountTable(text));
  const Mount* mount = MountOf(mounts, real);
  if (mount == nullptr)
    return Fail(ErrorCode::kNotFound, fmt::format("{}: on no mount of /proc/self/mountinfo", path));
  if (mount->type != "ext4" && mount->type != "xfs") {
    return CannotReplay(fmt::format("{} on {}", mount->source, mount->mount_point), mount->type,
                        path);
  }
  if (mount->read_only) {
    return FailErrno(fmt::format("{}: mount {}", path, mount->mount_point), EROFS);
  }
  ResolvedTarget resolved;
  resolved.target.kind = plan::Target::Kind::kPath;
  resolved.target.name = path;
  std::string_view below = real;
  if (mount->mount_point != "/") below.remove_prefix(mount->mount_point.size());
  std::string directory = mount->root == "/" ? std::string(below)
                                             : mount->root + std::string(below == "/" ? "" : below);
  resolved.target.directory = directory.empty() ? "/" : directory;
  HMEM_ASSIGN(std::string dir, host.RealPath("/sys/dev/block/" + mount->device));
  HMEM_TRY(DescribeDevice(host, dir, path, &resolved));
  HMEM_ASSIGN(resolved.target.file_system,
              plan::IdentifyFileSystemOn(host.At(resolved.device_node)));
  if (resolved.target.file_system.type != mount->type) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: mounted as {}, holds {}", resolved.device_node, mount->type,
                            resolved.target.file_system.type));
  }
  return resolved;
}

Result<ResolvedTarget> ResolveDeviceTarget(const Host& host, std::string_view path) {
  HMEM_ASSIGN(std::string real, host.RealPath(path));
  std::string name = real.starts_with("/dev/") ? real.substr(5) : std::string();
  std::replace(name.begin(), name.end(), '/', '!');
  if (name.empty() || !host.Exists("/sys/class/block/" + name)) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: not a block device", path));
  }
  HMEM_ASSIGN(std::string dir, host.RealPath("/sys/class/block/" + name));
  ResolvedTarget resolved;
  resolved.target.kind = plan::Target::Kind::kDevice;
  resolved.target.name = path;
  HMEM_TRY(DescribeDevice(host, dir, path, &resolved));
  HMEM_TRY(CheckUnused(host, dir, path));
  return resolved;
}

std::vector<PathDevice> WatchdogDevices(const Host& host) {
  std::vector<PathDevice> devices;
  constexpr std::string_view kClass = "/sys/class/watchdog";
  for (const std::string& name : host.List(kClass).value_or(std::vector<std::string>())) {
    auto device = host.RealPath(fmt::format("{}/{}/device", kClass, name));
    if (!device) continue;
    for (PathDevice& above : DevicesAlong(host, *device)) {
      if (above.driver != "softdog") devices.push_back(std::move(above));
    }
  }
  return devices;
}

}  // namespace hmem::loader
