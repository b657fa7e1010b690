// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/machine_tree.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace hmem::makers {
namespace {

namespace fs = std::filesystem;

std::string BaseName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

void AddBlockDevice(MachineTree& tree, std::string_view dir, std::string_view number,
                    std::span<const std::byte> content) {
  std::string name = BaseName(dir);
  tree.File(fmt::format("{}/dev", dir), fmt::format("{}\n", number));
  tree.File(fmt::format("{}/size", dir), "2097152\n");
  std::string_view below_sys = dir.substr(std::string_view("/sys").size());
  tree.Link("/sys/class/block/" + name, fmt::format("../..{}", below_sys));
  tree.Link(fmt::format("/sys/dev/block/{}", number), fmt::format("../..{}", below_sys));
  tree.File("/dev/" + name, content);
}

}  // namespace

MachineTree& MachineTree::File(std::string_view path, std::string_view text) {
  return File(path, std::as_bytes(std::span(text)));
}

MachineTree& MachineTree::File(std::string_view path, std::span<const std::byte> bytes) {
  fs::path place = root() + std::string(path);
  fs::create_directories(place.parent_path());
  std::ofstream out(place, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  if (!out) throw std::runtime_error("cannot write " + place.string());
  return *this;
}

MachineTree& MachineTree::Directory(std::string_view path) {
  fs::create_directories(root() + std::string(path));
  return *this;
}

MachineTree& MachineTree::Link(std::string_view path, std::string_view target) {
  fs::path place = root() + std::string(path);
  fs::create_directories(place.parent_path());
  fs::create_symlink(target, place);
  return *this;
}

MachineTree& MachineTree::Remove(std::string_view path) {
  fs::remove_all(root() + std::string(path));
  return *this;
}

bool MachineTree::Has(std::string_view path) const {
  return fs::exists(root() + std::string(path));
}

void AddDriver(MachineTree& tree, const DiskDriver& driver) {
  tree.Directory(driver.device);
  if (driver.module.empty()) return;
  std::string module = fmt::format("/sys/module/{}", driver.module);
  std::string bound = fmt::format("/sys/bus/drivers/{}", driver.module);
  std::string up;
  for (char c : driver.device.substr(1)) up += c == '/' ? "../" : "";
  tree.Link(fmt::format("{}/driver", driver.device),
            fmt::format("{}bus/drivers/{}", up, driver.module));
  if (tree.Has(module)) return;
  tree.File(module + "/initstate", "live\n").Directory(bound);
  tree.Link(bound + "/module", fmt::format("../../../module/{}", driver.module));
}

void AddDisk(MachineTree& tree, std::string_view sysfs_dir, std::string_view number,
             std::span<const DiskDriver> drivers, std::span<const std::byte> content) {
  AddBlockDevice(tree, sysfs_dir, number, content);
  for (const DiskDriver& driver : drivers) AddDriver(tree, driver);
}

void AddPartition(MachineTree& tree, std::string_view sysfs_dir, std::string_view number,
                  std::span<const std::byte> content) {
  AddBlockDevice(tree, sysfs_dir, number, content);
  tree.File(fmt::format("{}/partition", sysfs_dir), "1\n");
}

}  // namespace hmem::makers
