// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/host.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "hmem/base/fd.h"

namespace hmem::loader {

bool Host::Exists(std::string_view path) const { return ::access(At(path).c_str(), F_OK) == 0; }

bool Host::IsNamed(std::string_view path) const {
  struct stat st;
  return ::lstat(At(path).c_str(), &st) == 0;
}

bool Host::IsDirectory(std::string_view path) const {
  struct stat st;
  return ::stat(At(path).c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

Result<std::string> Host::Read(std::string_view path, size_t max_bytes) const {
  return ReadTextFile(At(path), max_bytes);
}

Result<std::string> Host::ReadLine(std::string_view path) const {
  HMEM_ASSIGN(std::string text, Read(path));
  text.resize(std::min(text.find('\n'), text.size()));
  size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return std::string();
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Result<std::string> Host::RealPath(std::string_view path) const {
  auto resolve = [](const std::string& name) {
    return std::unique_ptr<char, decltype(&std::free)>(::realpath(name.c_str(), nullptr),
                                                       &std::free);
  };
  auto real = resolve(At(path));
  if (!real) return FailErrno(path, errno);
  if (prefix_.empty()) return std::string(real.get());
  auto top = resolve(prefix_);
  std::string below = real.get();
  if (!top || !below.starts_with(top.get())) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: leads out of {}", path, prefix_));
  }
  below.erase(0, std::string_view(top.get()).size());
  return below.empty() ? "/" : below;
}

Result<std::vector<std::string>> Host::List(std::string_view path) const {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(At(path).c_str()), &::closedir);
  if (!dir) return FailErrno(path, errno);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> Host::KernelRelease() const { return ReadLine("/proc/sys/kernel/osrelease"); }

}  // namespace hmem::loader
