// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/device_path.h"

#include <fmt/format.h>

#include "dumptools/loader/module_file.h"

namespace hmem::loader {
namespace {

constexpr std::string_view kSysDevices = "/sys/devices";

PathDevice DeviceAt(const Host& host, const std::string& dir) {
  PathDevice device;
  device.bound = host.Exists(dir + "/driver");
  if (auto module = host.RealPath(dir + "/driver/module")) {
    device.driver = ModuleName(*module);
    // Only modules that were loaded have one (kernel/module/sysfs.c).
    device.built_in = !host.Exists(fmt::format("/sys/module/{}/initstate", device.driver));
  }
  device.modalias = host.ReadLine(dir + "/modalias").value_or("");
  return device;
}

}  // namespace

std::vector<PathDevice> DevicesAlong(const Host& host, std::string_view sysfs_dir) {
  std::vector<PathDevice> devices;
  if (!sysfs_dir.starts_with(std::string(kSysDevices) + "/")) return devices;
  for (size_t slash = kSysDevices.size(); slash != std::string_view::npos;) {
    slash = sysfs_dir.find('/', slash + 1);
    PathDevice device = DeviceAt(host, std::string(sysfs_dir.substr(0, slash)));
    if (device.bound || !device.modalias.empty()) devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace hmem::loader
