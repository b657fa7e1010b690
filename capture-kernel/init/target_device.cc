// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/target_device.h"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "capture-kernel/init/child.h"
#include "capture-kernel/init/clock.h"
#include "capture-kernel/plan/hardware_path.h"
#include "capture-kernel/plan/key_value_text.h"
#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr size_t kMaxDevices = 4096;
constexpr uint64_t kLookAgainMs = 1000;
// A kernel without networking has no netlink, and so no uevents.
constexpr uint64_t kLookAgainBlindMs = 20;
constexpr uint64_t kSettleMs = 5000;
constexpr uint64_t kProbeDeadlineMs = 5000;
constexpr uint32_t kKernelUevents = 1;

Result<uint64_t> ReadNumber(const std::string& path) {
  HMEM_ASSIGN(std::string text, ReadTextFile(path, 256));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return plan::ParseNumber(text, 0, UINT64_MAX);
}

Result<BlockDevice> Describe(const std::string& sysfs, const std::string& name) {
  std::string link = fmt::format("{}/class/block/{}", sysfs, name);
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(link.c_str(), nullptr), &std::free);
  if (!real) return FailErrno(link, errno);
  std::string dir = real.get();
  BlockDevice device;
  device.name = name;
  HMEM_ASSIGN(device.sectors, ReadNumber(dir + "/size"));
  std::string disk = dir;
  if (auto partition = ReadNumber(dir + "/partition")) {
    device.partition = *partition;
    disk = dir.substr(0, dir.rfind('/'));
  }
  size_t devices = disk.rfind("/devices/");
  if (devices == std::string::npos)
    return Fail(ErrorCode::kNotFound, fmt::format("{}: not below devices", disk));
  disk.erase(0, devices);
  if (disk.starts_with("/devices/virtual/"))
    return Fail(ErrorCode::kNotFound, fmt::format("{}: virtual", disk));
  device.hardware_path = plan::HardwarePath(disk);
  return device;
}

bool AtArmedPlace(const plan::Target& target, const BlockDevice& device) {
  return device.hardware_path == target.hardware_path && device.partition == target.partition;
}

std::string WantedText(const plan::Target& target) {
  std::string place = fmt::format("{} partition {}", target.hardware_path, target.partition);
  if (target.kind == plan::Target::Kind::kDevice)
    return fmt::format("{}, {} sectors", place, target.sectors);
  return fmt::format("{} {} (was at {})", target.file_system.type, target.file_system.uuid, place);
}

Result<FoundTarget> FindDevice(const plan::Target& target,
                               const std::vector<BlockDevice>& devices) {
  const BlockDevice* found = nullptr;
  for (const BlockDevice& device : devices) {
    if (!AtArmedPlace(target, device) || device.sectors != target.sectors) continue;
    if (found != nullptr) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("{} and {} both fit {}", found->name,
                                                           device.name, WantedText(target)));
    }
    found = &device;
  }
  if (found == nullptr)
    return Fail(ErrorCode::kNotFound, fmt::format("no disk fits {}", WantedText(target)));
  return FoundTarget{*found, false};
}

// Signals that a block device may have come.
UniqueFd OpenUevents() {
  UniqueFd fd(
      ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelUevents;
  if (fd.valid() && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    fd.Reset();
  return fd;
}

void Drain(int fd) {
  std::array<char, 4096> buffer;
  while (::recv(fd, buffer.data(), buffer.size(), 0) > 0) {
  }
}

}  // namespace

std::vector<BlockDevice> ListBlockDevices(const std::string& sysfs) {
  std::vector<BlockDevice> devices;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir((sysfs + "/class/block").c_str()), &::closedir);
  if (!dir) return devices;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] == '.' || devices.size() == kMaxDevices) continue;
    if (auto device = Describe(sysfs, entry->d_name)) devices.push_back(*std::move(device));
  }
  std::sort(devices.begin(), devices.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return devices;
}

Result<FoundTarget> FindTarget(const plan::Target& target, const std::vector<BlockDevice>& devices,
                               const FileSystemProbe& probe, Where where) {
  if (target.kind == plan::Target::Kind::kDevice) return FindDevice(target, devices);
  for (const BlockDevice& device : devices) {
    if (!AtArmedPlace(target, device)) continue;
    auto held = probe(device);
    if (held && *held == target.file_system) return FoundTarget{device, false};
  }
  std::vector<const BlockDevice*> same;
  for (const BlockDevice& device : devices) {
    if (where == Where::kArmedPlace || AtArmedPlace(target, device)) continue;
    auto held = probe(device);
    if (held && *held == target.file_system) same.push_back(&device);
  }
  if (same.empty())
    return Fail(ErrorCode::kNotFound, fmt::format("no disk holds {}", WantedText(target)));
  if (same.size() > 1) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} and {} both hold {}", same[0]->name,
                                                         same[1]->name, WantedText(target)));
  }
  return FoundTarget{*same.front(), true};
}

Result<plan::FileSystemId> GuardedProbe::operator()(const BlockDevice& device) {
  if (silent_.contains(device.name))
    return Fail(ErrorCode::kIo, fmt::format("{}: did not answer", device.name));
  auto ask = [&]() -> Result<std::string> {
    HMEM_ASSIGN(plan::FileSystemId held, probe_(device));
    return held.type + " " + held.uuid;
  };
  uint64_t start_ms = UptimeMs();
  Result<std::string> answer = AskChild(ask, deadline_ms_, tick_);
  if (!answer) {
    if (UptimeMs() - start_ms >= deadline_ms_) silent_.insert(device.name);
    return std::unexpected(Within(device.name, std::move(answer)).error());
  }
  size_t blank = answer->find(' ');
  if (blank == std::string::npos)
    return Fail(ErrorCode::kIo, fmt::format("{}: no answer", device.name));
  return plan::FileSystemId{answer->substr(0, blank), answer->substr(blank + 1)};
}

Result<FoundTarget> WaitForTarget(const plan::Target& target, uint64_t deadline_ms,
                                  const std::function<void()>& tick) {
  // Opened before the first look, so that nothing comes unseen in between.
  UniqueFd uevents = OpenUevents();
  GuardedProbe probe(
      [](const BlockDevice& device) { return plan::IdentifyFileSystemOn("/dev/" + device.name); },
      kProbeDeadlineMs, tick);
  uint64_t start_ms = UptimeMs();
  for (;;) {
    bool settled = UptimeMs() - start_ms >= kSettleMs;
    auto found = FindTarget(target, ListBlockDevices("/sys"), std::ref(probe),
                            settled ? Where::kAnywhere : Where::kArmedPlace);
    if (found) return found;
    tick();
    uint64_t now = UptimeMs();
    if (now >= deadline_ms) return found;
    uint64_t look_again_ms = uevents.valid() ? kLookAgainMs : kLookAgainBlindMs;
    int wait_ms = static_cast<int>(std::min(deadline_ms - now, look_again_ms));
    pollfd poll_fd{uevents.get(), POLLIN, 0};
    if (::poll(&poll_fd, uevents.valid() ? 1 : 0, wait_ms) > 0) Drain(uevents.get());
  }
}

}  // namespace hmem::init
