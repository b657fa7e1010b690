// SPDX-License-Identifier: GPL-2.0-or-later
// The machine that is being armed, as its files tell it: /sys, /proc, /etc, /boot, /lib. All paths
// are absolute and are looked up below a prefix, so that a made tree can stand for a machine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::loader {

class Host {
 public:
  // "" is this machine.
  explicit Host(std::string prefix = "") : prefix_(std::move(prefix)) {}

  // Where `path` really is, for open(2) and friends.
  std::string At(std::string_view path) const { return prefix_ + std::string(path); }

  bool Exists(std::string_view path) const;
  // Something has that name, if only a link that leads nowhere.
  bool IsNamed(std::string_view path) const;
  bool IsDirectory(std::string_view path) const;
  // Whole file; errors name `path` as given. kIo, kLimit.
  Result<std::string> Read(std::string_view path, size_t max_bytes = 1 << 20) const;
  // The first line, without blanks at its ends. kIo.
  Result<std::string> ReadLine(std::string_view path) const;
  // All symbolic links followed; the answer is below the prefix again, without it. kIo;
  // kInvalidArgument when a link leads out of the prefix.
  Result<std::string> RealPath(std::string_view path) const;
  // Names in a directory, sorted, without "." and "..". kIo.
  Result<std::vector<std::string>> List(std::string_view path) const;

  // `uname -r`, from /proc/sys/kernel/osrelease.
  Result<std::string> KernelRelease() const;

 private:
  std::string prefix_;
};

}  // namespace hmem::loader
