// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/fault.h"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace hmem::dump {

void ObeyFault() {
  const char* mode = std::getenv("HMEM_FAULT");
  if (mode == nullptr) return;
  if (std::string_view(mode) == "abort") std::abort();
  while (std::string_view(mode) == "hang") ::pause();
  if (std::string_view(mode) == "hog") {
    // Touched, so that it is taken for real.
    std::vector<std::vector<char>> hoard;
    for (;;) hoard.emplace_back(1 << 20, 'x');
  }
}

void ObeyFaultOfSource(std::string_view format) {
  const char* mode = std::getenv("HMEM_FAULT");
  if (mode != nullptr && std::string_view(mode) == std::string(format) + "-abort") std::abort();
}

void ObeyFaultInRecord() {
  const char* mode = std::getenv("HMEM_FAULT");
  if (mode != nullptr && std::string_view(mode) == "build-abort") std::abort();
}

}  // namespace hmem::dump
