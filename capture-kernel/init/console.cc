// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/console.h"

#include <fmt/format.h>

#include <span>

#include "hmem/base/fd.h"

namespace hmem::init {

void Console::Say(std::string_view text) {
  std::string line = fmt::format("\nhmem: {}\n", text);
  // There is no one to tell when the console does not take it.
  (void)WriteAll(fd_, std::as_bytes(std::span(line)), "console");
  if (log_.size() + text.size() < kMaxLogBytes) log_.append(text).append("\n");
}

}  // namespace hmem::init
