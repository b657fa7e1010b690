// SPDX-License-Identifier: GPL-2.0-or-later
// What hmem-init says: on the console, and kept for capture.log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "hmem/base/fd.h"

namespace hmem::init {

class Console {
 public:
  // A descriptor of its own, whose writes do not block: a terminal that was stopped (Ctrl-S, noise
  // on a serial line) must not stop PID 1. Without /dev/console, standard error as it is.
  static Console Open();
  // `fd` should be O_NONBLOCK.
  explicit Console(UniqueFd fd) : fd_(std::move(fd)) {}

  // "hmem: <text>" as a line of its own, begun with a newline because the kernel may be in
  // mid-line. A console that takes nothing for kMaxWaitMs loses the rest of the line, and is not
  // waited for again until it takes something.
  void Say(std::string_view text);

  // Everything said so far, without prefixes; at most kMaxLogBytes, later lines are dropped.
  const std::string& log() const { return log_; }

  static constexpr size_t kMaxLogBytes = 64 * 1024;
  static constexpr int kMaxWaitMs = 2000;

 private:
  UniqueFd fd_;
  bool stopped_ = false;
  std::string log_;
};

}  // namespace hmem::init
