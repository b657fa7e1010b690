// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/device/module.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "hmem/base/fd.h"
#include "tests/device/old_memory.h"

namespace hmem::device_test {

bool HasModule() { return ::access(kModulePath, R_OK) == 0; }

int64_t LoadModule(const char* path, const std::string& parameters) {
  const int64_t opened = Open(path, O_RDONLY);
  if (opened < 0) return opened;
  const UniqueFd file(static_cast<int>(opened));
  return ErrnoOr(::syscall(SYS_finit_module, file.get(), parameters.c_str(), 0));
}

int64_t UnloadHmem() { return ErrnoOr(::syscall(SYS_delete_module, "hmem", O_NONBLOCK)); }

int64_t LoadHmem() {
  const std::optional<std::string> header = CoreHeaderParameter();
  return LoadModule(kModulePath, header ? "elfcorehdr=" + *header : "");
}

std::optional<std::string> CoreHeaderParameter() {
  const Result<std::string> line = ReadTextFile("/proc/cmdline", 4096);
  constexpr std::string_view kWord = "elfcorehdr=";
  if (!line) return std::nullopt;
  const size_t at = line->find(kWord);
  if (at == std::string::npos) return std::nullopt;
  // [SIZE@]ADDRESS, each a number with an optional suffix of 1024s.
  std::string value = line->substr(at + kWord.size());
  value.resize(std::min(value.find_first_of(" \n"), value.size()));
  value.erase(0, value.find('@') + 1);
  char* suffix = nullptr;
  uint64_t address = std::strtoull(value.c_str(), &suffix, 0);
  if (*suffix == 'K') address <<= 10;
  if (*suffix == 'M') address <<= 20;
  if (*suffix == 'G') address <<= 30;
  return fmt::format("{:#x}", address);
}

}  // namespace hmem::device_test
