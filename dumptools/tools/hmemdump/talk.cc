// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/talk.h"

#include <unistd.h>

#include <span>

#include "hmem/base/fd.h"

namespace hmem::dump {

void SayText(std::string_view text) {
  (void)WriteAll(STDERR_FILENO, std::as_bytes(std::span(text)), "standard error");
}

}  // namespace hmem::dump
